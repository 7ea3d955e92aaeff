"""Command lines in containers, manifests and units. Catches an option that was renamed, which would only be noticed
where the service does not start."""

import pytest

from tests.deploy.hosting.command_lines import every_command, of_text, require_understood

COMMANDS = every_command()


@pytest.mark.parametrize("file", COMMANDS)
def test_the_command_understands_what_the_file_says(file: str) -> None:
    assert COMMANDS[file], f"{file} has no command line"
    for words in COMMANDS[file]:
        given = require_understood(words)
        assert given["lake"] in ("/lake", "/var/lib/regionlake/lake", "s3://bucket/lake"), words


def test_what_the_command_does_not_have_is_noticed() -> None:
    for wrong in (["serve", "--lakes", "x"], ["ingest", "--engine", "rag", "--lake", "x"], ["follow"]):
        with pytest.raises(Exception, match=r"No such|not one of"):
            require_understood(wrong)


def test_commands_are_found_within_scripts() -> None:
    script = "# regionlake none\nid=1\n regionlake ingest a \\\n --lake l &\nExecStart=/bin/regionlake check --lake l\n"
    assert of_text(script) == [["ingest", "a", "--lake", "l"], ["check", "--lake", "l"]]
