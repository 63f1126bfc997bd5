"""Recognition's settings besides the shared ones: where the contents of files are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError

from shared.settings import Settings as SharedSettings

__all__ = ["S3Settings", "Settings"]


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """A bucket: its whole address, and who may read and write it."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Settings(SharedSettings):
    """The directory is not used where a bucket is named."""

    files_directory: Path
    files_s3: S3Settings | None

    @classmethod
    def values(cls, service: str, env: Env) -> dict[str, object]:
        data_folder = Path(env.str("PEERLY_DATA_DIR", "") or ".data")
        directory = env.str("PEERLY_FILES_DIRECTORY", "")
        return {
            **SharedSettings.values(service, env),
            "files_directory": (Path(directory) if directory else data_folder / "files").absolute(),
            "files_s3": _s3(env),
        }


def _s3(env: Env) -> S3Settings | None:
    url = env.str("PEERLY_FILES_S3_URL", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/") or parts.query:
        raise EnvError(f"PEERLY_FILES_S3_URL is {url!r}; it must be a bucket's address: https://s3.example.com/bucket")
    return S3Settings(
        url=url.rstrip("/"),
        region=env.str("PEERLY_FILES_S3_REGION", "") or "us-east-1",
        access_key_id=env.str("PEERLY_FILES_S3_ACCESS_KEY_ID"),
        secret_access_key=env.str("PEERLY_FILES_S3_SECRET_ACCESS_KEY"),
    )
