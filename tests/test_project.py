"""What a person who clones the repository relies on: scripts, lock files, licence, first lines."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import streetbump

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SCRIPTS = [
    *sorted(p for p in (ROOT / "scripts").iterdir() if p.is_file() and p.suffix in ("", ".sh")),
    ROOT / ".ci" / "run",
]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the scripts run on Linux")


def name_of(path: Path) -> str:
    """A path as people in the checkout would write it."""
    return path.relative_to(ROOT).as_posix()


def canonical(requirement: str) -> str:
    """The name of a requirement as an index spells it: ``SQLAlchemy>=2`` is ``sqlalchemy``."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()


def test_readme_begins_with_the_two_commands() -> None:
    """The first lines say what it is, then how to try it and how to test it."""
    first = (ROOT / "README.md").read_text("utf-8").splitlines()[:10]
    assert first[0] == "# streetbump"
    assert [line.split()[0] for line in first if line.startswith("    scripts/")] == [
        "scripts/demo",
        "scripts/test",
    ]


def test_scripts_are_there() -> None:
    """The documented scripts exist."""
    assert {"check", "demo", "lib.sh", "lock", "run", "test"} <= {path.name for path in SCRIPTS}


@linux_only
@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_script_is_careful_bash(path: Path) -> None:
    """A script is executable, says it is bash, stops at the first error, and parses."""
    text = path.read_text("utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert re.search(r"^set -euo pipefail$", text, re.MULTILINE)
    assert os.access(path, os.X_OK) or path.name == "lib.sh"
    subprocess.run(["bash", "-n", path], check=True)


def test_each_tested_python_has_a_lock_file() -> None:
    """There is one lock file per supported Python minor version."""
    assert [path.name for path in LOCKS] == ["py311.lock", "py312.lock", "py313.lock"]


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_lock_file_names_no_server(path: Path) -> None:
    """A lock file holds names, versions and hashes: no host, no address, no path, no option."""
    for line in path.read_text("utf-8").splitlines():
        assert "://" not in line
        if not line.lstrip().startswith("#"):
            assert re.fullmatch(
                r"[a-z0-9][a-z0-9.-]*==[\w.+!]+( ; [^@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?",
                line,
            ), line


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_lock_file_pins_every_dependency(path: Path) -> None:
    """Each core and development dependency has exactly one pinned version."""
    wanted = {
        canonical(requirement)
        for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
        if "win32'" not in requirement or "!=" in requirement.partition(";")[2]
    }
    pinned = re.findall(r"^([a-z0-9.-]+)==", path.read_text("utf-8"), re.MULTILINE)
    assert wanted <= set(pinned)
    assert len(pinned) == len(set(pinned))


def test_every_extra_is_part_of_all() -> None:
    """``pip install 'streetbump[all]'`` leaves no extra out but the development one."""
    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(everything.removeprefix("streetbump[").removesuffix("]").split(",")) == (
        set(extras) - {"all", "dev"}
    )


def test_every_dependency_has_a_reason() -> None:
    """The decision page names each package that pyproject.toml names."""
    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text("utf-8").lower()
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    named = {canonical(requirement) for group in groups for requirement in group}
    stubs = {name for name in named if name.startswith("types-")}
    assert [name for name in sorted(named - stubs - {"streetbump"}) if name not in page] == []


def test_changelog_has_a_section_for_this_version() -> None:
    """The changelog speaks of this version, or of what is not released yet."""
    heads = re.findall(r"^## \[?([^\]\n ]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert {"Unreleased", streetbump.__version__} & set(heads)


def test_version_has_one_source() -> None:
    """The version stands in the package, is well formed, and pyproject.toml reads it there."""
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", streetbump.__version__)


def test_licence_is_apache_2() -> None:
    """LICENSE is the unchanged text that pyproject.toml names."""
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert PROJECT["license"] == "Apache-2.0"
    assert all((ROOT / name).read_text("utf-8").strip() for name in PROJECT["license-files"])


@pytest.mark.parametrize("path", [p for p in DECISIONS if p.name != "README.md"], ids=name_of)
def test_decision_is_in_the_index(path: Path) -> None:
    """Every decision page is linked from the index."""
    assert f"]({path.name})" in (path.parent / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of this repository finds that file."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8"))
    local = [target for target in targets if "://" not in target and ":" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def run_lib(
    tmp_path: Path, command: str, *, path: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a line of bash after ``scripts/lib.sh``, with its environment in ``tmp_path``."""
    kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR") if key in os.environ}
    return subprocess.run(
        ["bash", "-c", f"source {shlex.quote(str(ROOT / 'scripts' / 'lib.sh'))}; {command}"],
        env={
            **kept,
            "PATH": path or os.environ["PATH"],
            "STREETBUMP_VENV": str(tmp_path / "venv"),
            **environment,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_pythons(tmp_path: Path, script: str) -> str:
    """A PATH whose every python3 is the given script, and whose other tools are the system's."""
    shims = tmp_path / "shims"
    shims.mkdir()
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        (shims / name).write_text(f"#!/usr/bin/env bash\n{script}\n", "utf-8")
        (shims / name).chmod(0o755)
    return f"{shims}:/usr/bin:/bin"


@linux_only
def test_python_without_venv_gets_one_line(tmp_path: Path) -> None:
    """A python3 that cannot make environments ends in one line that says what to install."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ModuleNotFoundError('No module named ensurepip')")
    path = fake_pythons(tmp_path, f'PYTHONPATH="{broken}" exec "{sys.executable}" "$@"')
    ran = run_lib(tmp_path, "set_up", path=path)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith(
        "python3 on this machine cannot make virtual environments: apt-get"
    )
    assert not (tmp_path / "venv").exists()


@linux_only
def test_old_python_gets_one_line(tmp_path: Path) -> None:
    """A machine with an older Python only ends in one line that says which one is needed."""
    ran = run_lib(tmp_path, "set_up", path=fake_pythons(tmp_path, "echo 3.9"))
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("streetbump needs Python 3.11 or later (python3 is Python 3.9)")


@linux_only
def test_missing_python_gets_one_line(tmp_path: Path) -> None:
    """A PYTHON that does not exist ends in one line that names it."""
    ran = run_lib(tmp_path, "set_up", PYTHON=str(tmp_path / "python9"))
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert f"no {tmp_path}/python9 here" in ran.stderr


@linux_only
def test_python_with_a_lock_file_is_preferred(tmp_path: Path) -> None:
    """An unlocked Python is used only when no locked one is there."""
    path = fake_pythons(tmp_path, "echo 3.14")
    asked = 'find_python; echo "$python $minor"'
    assert run_lib(tmp_path, asked, path=path).stdout == "python3 3.14\n"
    (tmp_path / "shims" / "python3.12").write_text("#!/usr/bin/env bash\necho 3.12\n")
    assert run_lib(tmp_path, asked, path=path).stdout == "python3.12 3.12\n"


@linux_only
def test_foreign_directory_is_never_emptied(tmp_path: Path) -> None:
    """A directory the scripts did not make stays as it is, and the message says what to do."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "thesis.txt").write_text("years of work")
    ran = run_lib(tmp_path, "set_up", PYTHON=sys.executable)
    assert ran.returncode == 1
    assert "was not made by these scripts" in ran.stderr
    assert (tmp_path / "venv" / "thesis.txt").read_text() == "years of work"


@linux_only
def test_another_checkouts_environment_is_never_emptied(tmp_path: Path) -> None:
    """Two checkouts that are told to share an environment do not delete it under each other."""
    mark = tmp_path / "venv" / ".made-by-streetbump-scripts"
    mark.parent.mkdir()
    mark.write_text(str(tmp_path))
    (tmp_path / "venv" / "kept").touch()
    ran = run_lib(tmp_path, "set_up", PYTHON=sys.executable)
    assert ran.returncode == 1
    assert f"belongs to the checkout in {tmp_path}" in ran.stderr
    assert (tmp_path / "venv" / "kept").exists()


@linux_only
def test_half_made_environment_is_remade(tmp_path: Path) -> None:
    """What a killed script left behind is emptied and made again."""
    mark = tmp_path / "venv" / ".made-by-streetbump-scripts"
    mark.parent.mkdir()
    mark.touch()
    (tmp_path / "venv" / "bin").mkdir()
    (tmp_path / "venv" / "bin" / "python").write_text("half a file")
    ran = run_lib(tmp_path, "run_pip() { :; }; set_up; set_up", PYTHON=sys.executable)
    assert ran.returncode == 0, ran.stderr
    subprocess.run([tmp_path / "venv" / "bin" / "python", "-c", ""], check=True)
    assert [line.split("]")[0] for line in ran.stdout.splitlines()] == [
        f"[{step}/3" for step in (1, 2, 3, 4, 5, 6)
    ]
    assert ran.stdout.splitlines()[4].endswith("packages: unchanged")
