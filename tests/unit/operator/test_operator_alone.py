"""The operator where there is no cluster: it says so in one sentence and ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from continuo_operator import access


@pytest.mark.skipif(access.ACCOUNT_FILE.exists(), reason="this is a pod with a service account")
def test_without_a_service_account_and_a_kubeconfig_it_ends_as_misconfigured(tmp_path: Path):
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    env |= {"HOME": str(tmp_path), "CONTINUO_OPERATOR_NAMESPACE": "here", "CONTINUO_OPERATOR_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "continuo_operator"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert (ended.stdout + ended.stderr).count("neither a service account nor a kubeconfig was found") == 1
    assert "lease" not in ended.stdout + ended.stderr
