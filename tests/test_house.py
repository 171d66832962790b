"""The house rules: who may import whom, no channel by its name, and documents that cannot rot."""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

from channels import CHANNELS, Setup
from tests import ROOT

PACKAGES = ("channels", "knowledge", "service", "dashboard")
MAY_IMPORT = {
    "channels": {"channels"},
    "knowledge": {"knowledge"},
    "service": {"service", "channels", "knowledge"},
    "dashboard": {"dashboard", "service", "knowledge"},
}
ANYTHING = {"service/app.py", "service/__main__.py"}


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found & set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    paths = [path for path in sources() if path.relative_to(ROOT).parts[0] == package]
    assert len(paths) > 2, "there must be something to look at"
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if name not in ANYTHING:
            wrong = imports(ast.parse(path.read_text())) - MAY_IMPORT[package]
            assert not wrong, f"{name} imports {wrong}"


def test_nothing_outside_a_channels_own_files_knows_its_name() -> None:
    from service.models import Customer

    names = {channel.name for channel in CHANNELS}
    # What a customer has may be called as a channel is: such a word may stand, and nothing may be compared with it.
    words = names & set(Customer.model_fields)
    assert "webchat" in names - words
    assert words < names
    for path in sources():
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "channels":
            continue
        tree = ast.parse(path.read_text())
        assert not (names - words) & strings(tree), f"{relative} names a channel"
        compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.MatchValue)]
        assert not names & {value for node in compared for value in strings(node)}, f"{relative} branches on a channel"
        assert "isinstance(channel," not in path.read_text()


def strings(tree: ast.AST) -> set[str]:
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {value for value in constants if isinstance(value, str)}


def test_every_module_opens_with_one_sentence() -> None:
    for path in sources():
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path.relative_to(ROOT)} has no opening sentence"


def test_except_exception_stands_only_where_durable_work_is_run() -> None:
    durable = ("delivery", "fetching", "flow", "listening", "schedule", "sweeping", "web", "work")
    allowed = {f"service/{name}.py" for name in durable}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if name not in allowed:
            assert not re.search(r"except (Base)?Exception\b|except:", path.read_text()), name


def test_whatever_is_caught_or_silenced_says_why_on_its_line() -> None:
    lines = [line for path in sources() for line in path.read_text().splitlines()]
    caught = [line for line in lines if re.search(r"except (Base)?Exception\b", line)]
    silenced = [line for line in lines if re.search(r"# (type: ignore|pyright: ignore|noqa)", line)]
    assert caught, "there must be something to look at"
    assert silenced, "there must be something to look at"
    for line in caught:
        assert re.search(r":  # \w.{9,}", line), line
    for line in silenced:
        assert re.search(r"# (type: ignore\[|pyright: ignore\[|noqa: )[\w-]+\]? .{9,}", line), line


class Asked(dict):
    """An environment that knows what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:
        self.names.add(name)
        return default

    def __missing__(self, name: str) -> str:
        self.names.add(name)
        return ""


def settings() -> set[str]:
    """Every setting there is: the service's, and what channels ask for."""
    from service.settings import Settings

    asked = Asked()
    for channel in CHANNELS:
        channel(Setup(b"k" * 32, asked))
    assert len(asked.names) > 10, "email alone has as many"
    return {name.upper() for name in Settings.model_fields} | asked.names


def test_the_readme_names_every_setting_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", readme, re.MULTILINE)) == settings()


def test_the_readme_names_every_metric_and_no_other() -> None:
    from service.metrics import Metrics

    named = re.findall(r"^\| `(firstline_[a-z_]+)(?:\{[a-z, ]+\})?` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    ours = Metrics().registry.collect()
    there = {each.name + ("_total" if each.type == "counter" else "") for each in ours}
    assert len(named) == len(set(named)), "one is named twice"
    assert set(named) == {name for name in there if name.startswith("firstline_")}


def test_the_example_environment_names_every_setting() -> None:
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == settings()


def test_every_command_in_the_readme_exists() -> None:
    from service.__main__ import app

    commands = get_command(app).commands
    named = set(re.findall(r"firstline ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named
    assert named <= set(commands), named - set(commands)
    assert set(commands) <= named, f"the README does not name {set(commands) - named}"


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"run", "test"} <= named <= targets


def test_the_tree_in_the_readme_is_on_the_disk() -> None:
    block = re.search(r"```\n(channels/.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    folder, count = "", 0
    for line in block.group(1).splitlines():
        name = line.split()[0] if line.strip() else ""
        if not line.startswith(" ") and name:
            folder = name
            assert (ROOT / folder).is_dir(), folder
        elif name:
            assert (ROOT / folder / name).exists(), folder + name
            count += 1
    assert count > 20


def test_every_package_on_disk_is_in_the_explicit_list() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    on_disk = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in sources() if path.name == "__init__.py"
    }
    assert listed == on_disk


def test_every_dependency_is_pinned_without_a_local_version() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in lines}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines), "a pin is not plain"
    for requirement in wanted:
        assert re.split(r"[\[<>=]", requirement)[0].lower().replace("_", "-") in pinned, requirement
    assert "torch==2.13.0" in lines
