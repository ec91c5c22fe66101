"""What every command shares: the options given before it, and the target they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click

from sluice import regions
from sluice.api import Api
from sluice.target import Target, choose


@dataclass
class Context:
    """The options of ``sluice`` itself. The target is made on first use: `sluice up` needs none."""

    state_dir_option: str | None = None
    stack_name: str | None = None
    profile: str | None = None
    region_name: str | None = None
    on_aws: bool = False
    _target: Target | None = field(default=None, repr=False)

    @property
    def state_dir(self) -> Path:
        return regions.find_state_dir(self.state_dir_option)

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = choose(self.state_dir_option, self.stack_name, self.profile, self.region_name, self.on_aws)
        return self._target

    @property
    def api(self) -> Api:
        return Api(self.target.api_url, self.target.api_key, direct=self.target.is_local)

    @property
    def admin_api(self) -> Api:
        """For what changes what serves."""
        return Api(self.target.api_url, self.target.admin_api_key, direct=self.target.is_local)


pass_context = click.make_pass_decorator(Context, ensure=True)


def project_folder(start: Path | None = None) -> Path:
    """The folder with template.yaml at or above the current one, else this installation's."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "template.yaml").is_file():
            return folder
    return Path(__file__).resolve().parents[2]
