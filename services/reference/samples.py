"""How to send an operation's example: for a shell, for Python and for JavaScript, each without a library to install.

They read the address of the installation from `PEERLY` and the credential from `TOKEN`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from services.reference.examples import MOMENTS, Example

FORM = "application/x-www-form-urlencoded"
FILES = "multipart/form-data"
FILE_NAME = "fair.pdf"
BOUNDARY = "a-line-between-parts"


def samples(example: Example) -> dict[str, str]:
    """The sample of each language."""
    return {"cURL": curl(example), "Python": python(example), "JavaScript": javascript(example)}


def literal(name: str) -> Any:
    """Ids in samples are those of things that came first."""
    return 2 if name == "users_id" else 1


def curl(example: Example) -> str:
    method = "" if example.method == "GET" else f"-X {example.method} "
    lines = [f'curl {method}"$PEERLY{_address(example)}"']
    headers = _headers(example, "Bearer $TOKEN").items()
    lines += [f'-H "{name}: {value}"' for name, value in headers if BOUNDARY not in value]
    body = _body(example)
    if example.media_type == FILES:
        lines += [f"-F '{name}={text};filename={FILE_NAME}'" for name, text in example.body.items()]
    elif body is not None:
        quoted = body.replace("'", "'\\''")
        timely = _in_time(quoted, lambda seconds: f"'$(($(date +%s) + {seconds}))'")
        lines.append(f"-d '{timely}'")
    return " \\\n  ".join(lines)


def python(example: Example) -> str:
    headers = _headers(example, "Bearer TOKEN")
    lines = ["import json", "import os", "import time", "import urllib.request", ""]
    lines = [line for line in lines if _needs(line, example)]
    lines += ["request = urllib.request.Request("]
    lines += [f'    os.environ["PEERLY"] + {json.dumps(_address(example))},', f'    method="{example.method}",']
    if headers:
        written = json.dumps(headers).replace('"Bearer TOKEN"', '"Bearer " + os.environ["TOKEN"]')
        lines.append(f"    headers={written},")
    if example.body is not None and example.media_type in {FORM, FILES}:
        lines.append(f"    data={json.dumps(_body(example))}.encode(),")
    elif example.body is not None:
        written = _in_time(repr(example.body), lambda seconds: f"int(time.time()) + {seconds}")
        lines.append(f"    data=json.dumps({written}).encode(),")
    lines += [")", "with urllib.request.urlopen(request, timeout=10) as answer:"]
    return "\n".join([*lines, "    print(answer.status, answer.read().decode())"])


def _needs(line: str, example: Example) -> bool:
    if line == "import json":
        return example.body is not None and example.media_type not in {FORM, FILES}
    return line != "import time" or _in_time(repr(example.body), str) != repr(example.body)


def javascript(example: Example) -> str:
    options = [f'  method: "{example.method}",']
    headers = _headers(example, "Bearer TOKEN")
    if headers:
        written = json.dumps(headers).replace('"Bearer TOKEN"', "`Bearer ${process.env.TOKEN}`")
        options.append(f"  headers: {written},")
    if example.body is not None and example.media_type in {FORM, FILES}:
        options.append(f"  body: {json.dumps(_body(example))},")
    elif example.body is not None:
        written = _in_time(json.dumps(example.body), lambda seconds: f"Math.floor(Date.now() / 1000) + {seconds}")
        options.append(f"  body: JSON.stringify({written}),")
    address = f"`${{process.env.PEERLY}}{_address(example)}`"
    return "\n".join(
        [
            f"const answer = await fetch({address}, {{",
            *options,
            "});",
            "console.log(answer.status, await answer.text());",
        ]
    )


def _address(example: Example) -> str:
    path = example.path
    for name, meaning in example.ids.items():
        path = path.replace(f"{{{name}}}", quote(str(literal(meaning)) if name.endswith("id") else meaning))
    return f"{path}?{urlencode(example.query)}" if example.query else path


def _headers(example: Example, credential: str) -> Mapping[str, str]:
    headers = {} if example.is_public else {"Authorization": credential}
    if example.media_type == FILES:
        return {**headers, "Content-Type": f"{FILES}; boundary={BOUNDARY}"}
    return headers if example.media_type is None else {**headers, "Content-Type": example.media_type}


def _body(example: Example) -> str | None:
    if example.body is None:
        return None
    if example.media_type == FILES:
        return parts(example.body)
    return urlencode(example.body) if example.media_type == FORM else json.dumps(example.body)


def parts(files: Mapping[str, str]) -> str:
    """Files of a form as they are sent."""
    heads = {name: f'Content-Disposition: form-data; name="{name}"; filename="{FILE_NAME}"' for name in files}
    written = [f"--{BOUNDARY}\r\n{heads[name]}\r\n\r\n{text}\r\n" for name, text in files.items()]
    return "".join([*written, f"--{BOUNDARY}--\r\n"])


def _in_time(text: str, written: Callable[[int], str]) -> str:
    """Moments ahead, written so that they are ahead whenever the sample runs."""
    for moment, seconds in MOMENTS.items():
        text = text.replace(str(moment), written(seconds))
    return text
