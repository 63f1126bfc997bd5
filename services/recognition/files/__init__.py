"""Files on their way in and out, pictures written anew, and where contents are kept."""
