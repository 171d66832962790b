"""The image and the composition, as far as they can be looked at without a daemon that builds them."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.main import get_command

from service.settings import Settings
from tests import ROOT
from tests.live_server import LiveServer


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines put together."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = [tuple(line.strip().split(None, 1)) for line in lines]
    assert {"FROM", "COPY", "USER", "CMD"} <= {each[0] for each in found}
    return found


def of(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def in_context(path: Path) -> bool:
    """Whether .dockerignore lets the build see a file: the last line that matches it or a folder above it decides."""
    relative = path.relative_to(ROOT)
    seen = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        anywhere = pattern.removeprefix("**/")
        for part in (relative, *list(relative.parents)[:-1]):
            if line and not line.startswith("#") and fnmatch(str(part) if anywhere == pattern else part.name, anywhere):
                seen = line.startswith("!")
    return seen


def copied() -> list[Path]:
    """Every file of the tree that is in the image."""
    found: list[Path] = []
    for arguments in of("COPY"):
        *sources, _ = arguments.split()
        for source in sources:
            path = ROOT / source
            assert path.exists(), f"{source} is copied and is not there"
            files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
            seen = [each for each in files if in_context(each)]
            assert seen, f".dockerignore hides {source}"
            found += seen
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what is in /app of the image, and nothing else."""
    made = tmp_path_factory.mktemp("image")
    for path in copied():
        target = made / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return made


def test_every_tracked_file_of_the_packages_is_copied_and_nothing_private() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in copied()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {name.split(".")[0] for name in listed}
    wanted = {name for name in tracked if name.split("/")[0] in packages and (ROOT / name).exists()}
    assert len(wanted) > 100, "there must be files for this to mean anything"
    assert wanted <= files, sorted(wanted - files)
    for name in files:
        assert not re.search(r"(^|/)(\.env|\.git|\.venv|data|tests|__pycache__)(/|$)", name), name
    assert not in_context(ROOT / ".env")
    assert not in_context(ROOT / "data" / "firstline.db")


def test_the_product_runs_from_what_is_copied_alone(image: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import service, knowledge; print(service.__file__, knowledge.__file__)"],
        cwd=image,
        capture_output=True,
        text=True,
    )
    assert where.stdout.count(str(image)) == 2, "it must be the copy that runs"
    for article in sorted((image / "knowledge" / "samples" / "articles").glob("*.md"))[5:]:
        article.unlink()  # a handful is enough here: to embed all of them takes longest
    server = LiveServer(tmp_path / "data", root=image)
    try:
        assert httpx.get(f"{server.url}/readyz").json()["ready"] is True
        for path in ("/desk/login", "/help", "/channels/webchat/widget.js", "/"):
            answer = httpx.get(server.url + path, follow_redirects=True)
            assert answer.status_code == 200, path
        health = json.loads(of("HEALTHCHECK")[0].split("CMD", 1)[1])
        assert health[0] == "python"
        for port, fine in ((server.port, True), (1, False)):
            environ = {**os.environ, "PORT": str(port)}
            done = subprocess.run([sys.executable, *health[1:]], env=environ, capture_output=True)
            assert (done.returncode == 0) is fine
    finally:
        server.stop()
    done = subprocess.run(
        [sys.executable, "-m", "service", "check", "--help"], cwd=image, capture_output=True, text=True
    )
    assert done.returncode == 0


def test_what_the_package_is_made_of_is_in_the_image(image: Path) -> None:
    project = tomllib.loads((image / "pyproject.toml").read_text())["project"]
    assert (image / project["readme"]).is_file(), "pip reads it to install the tree"
    printed = next(arguments for arguments in of("RUN") if "tomllib" in arguments)
    program = re.search(r'python -c "([^"]+)"', printed)
    assert program
    done = subprocess.run([sys.executable, "-c", program.group(1)], cwd=image, capture_output=True, text=True)
    assert done.stdout.split("\n")[:-1] == project["dependencies"]


def test_the_image_runs_a_command_that_exists_as_nobody_in_particular() -> None:
    from service.__main__ import app

    assert json.loads(of("ENTRYPOINT")[0]) == ["firstline"]
    assert "firstline" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(of("CMD")[0])[0] in get_command(app).commands
    order = [name for name, _ in instructions()]
    assert of("USER") == ["firstline"]
    assert not {"RUN", "COPY"} & set(order[order.index("USER") :]), "nothing is written by the user that runs it"
    assert any("useradd" in run and "--uid 10001" in run for run in of("RUN"))
    settings = dict(pair.split("=", 1) for line in of("ENV") for pair in line.split())
    assert settings["DATA_DIR"] in of("VOLUME")
    assert {"DATA_DIR", "HOST", "PORT"} <= {name.upper() for name in Settings.model_fields}


def test_a_change_of_the_code_does_not_install_torch_again() -> None:
    order = [f"{name} {arguments}" for name, arguments in instructions()]
    torch = next(place for place, line in enumerate(order) if line.startswith("RUN") and " torch " in line)
    before = [line for line in order[:torch] if line.startswith("COPY")]
    assert before == ["COPY pyproject.toml constraints.txt ./"]
    assert of("ARG") == ["TORCH_INDEX="], "the project names no index: who builds does"


def composition() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_the_composition_is_two_replicas_on_postgresql_with_settings_that_exist() -> None:
    services = composition()["services"]
    replicas = services["serve"]
    assert replicas["deploy"]["replicas"] == 2
    assert set(replicas["environment"]) <= {name.upper() for name in Settings.model_fields}
    for name in ("DATABASE_URL", "SECRET_KEY", "PUBLIC_BASE_URL"):
        assert ":?" in replicas["environment"][name], f"without {name} it must not start"
    assert "ports" not in replicas, "two cannot have the same port, and TRUSTED_PROXIES believes whoever reaches them"
    assert replicas["environment"]["TRUSTED_PROXIES"] == "*"
    url = re.sub(r"\$\{[^}]*\}", "secret", replicas["environment"]["DATABASE_URL"])
    assert Settings(database_url=url, _env_file=None).url == "postgresql+asyncpg://firstline:secret@postgres/firstline"
    for service in services.values():
        for needed, wanted in service.get("depends_on", {}).items():
            assert needed in services
            assert wanted == {"condition": "service_healthy"}
    assert "healthcheck" in services["postgres"]
    assert any(volume.startswith("postgres:") for volume in services["postgres"]["volumes"])


def test_the_replicas_keep_no_index_in_common_and_share_one_key() -> None:
    replicas = composition()["services"]["serve"]
    # The image's own volume is then made anew for each container.
    assert not {"volumes", "tmpfs", "volumes_from"} & set(replicas)
    assert replicas["environment"]["SECRET_KEY"].startswith("${SECRET_KEY:?")


def test_what_the_composition_mounts_and_asks_for_is_declared() -> None:
    made = composition()
    named = {volume.split(":")[0] for each in made["services"].values() for volume in each.get("volumes", ())}
    assert named == set(made["volumes"])
    proxy = made["services"]["proxy"]
    assert [each["source"] for each in proxy["configs"]] == list(made["configs"])
    content = made["configs"]["caddyfile"]["content"]
    assert "name serve" in content
    assert content.count("{") == content.count("}")
    assert "{$$PUBLIC_BASE_URL}" in content, "of the proxy's environment, not of whoever types the command"
