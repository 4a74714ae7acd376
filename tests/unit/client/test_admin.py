"""`imagerift admin` over the wire: what is sent, to whom, and how often."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from imagerift.answers import pause_without_answer
from imagerift.cli import app
from typer.testing import CliRunner, Result

from tests.unit.client.fake_api import FakeApi

TOKEN = "t" * 40


async def run(server: FakeApi, *arguments: str, token: str | None = TOKEN) -> Result:
    given = {"IMAGERIFT_API_KEY": "ir_live_x", "IMAGERIFT_ADMIN_TOKEN": token}
    # Nothing of the database, and a proxy that is nobody's way to this machine.
    given |= {"IMAGERIFT_MONGO_URL": None, "IMAGERIFT_KEY_PEPPER": None}
    given |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    runner = CliRunner(env=given | {"IMAGERIFT_API_URL": server.url})
    return await asyncio.to_thread(runner.invoke, app, ["admin", *arguments])


def page(ids: list[str], cursor: str | None) -> dict[str, Any]:
    data = [{"workspaceId": one, "createdAt": f"2026-01-0{9 - int(one)}"} for one in ids]
    return {"data": data, "nextCursor": cursor}


async def test_the_token_is_sent_and_the_key_is_not(server: FakeApi) -> None:
    server.will_answer({"workspaceId": "ws_1"}, 201)
    done = await run(server, "workspace", "create", "--name", "Acme", "--plan", "pro")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"workspaceId": "ws_1"})
    ((method, path, headers, body),) = server.seen
    assert (method, path, body) == (
        "POST",
        "/admin/v1/workspaces",
        {"name": "Acme", "plan": "pro"},
    )
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert "ir_live_x" not in str(server.seen)


async def test_a_list_is_read_to_its_end_and_shown_oldest_first(server: FakeApi) -> None:
    server.will_answer(page(["1", "2"], "next-one"))
    server.will_answer(page(["3"], None))
    done = await run(server, "workspace", "list")
    assert [one["workspaceId"] for one in json.loads(done.stdout)] == ["3", "2", "1"]
    assert [path for _, path, _, _ in server.seen] == [
        "/admin/v1/workspaces?limit=500",
        "/admin/v1/workspaces?limit=500&cursor=next-one",
    ]


async def test_what_makes_something_is_not_sent_again_and_what_changes_it_is(
    server: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = _at_once(pause_without_answer)
    monkeypatch.setattr("imagerift.sending.pause_without_answer", at_once)
    server.will_hang_up()
    lost = await run(server, "key", "create", "--workspace", "ws_1", "--name", "ci")
    assert (lost.exit_code, lost.stdout, len(server.seen)) == (1, "", 1)
    server.will_hang_up()
    server.will_answer({"workspaceId": "ws_1"})
    done = await run(server, "workspace", "suspend", "--workspace", "ws_1")
    assert (done.exit_code, len(server.seen)) == (0, 3)
    assert server.seen[-1][3] == {"suspended": True}


async def test_a_refusal_is_one_line_on_standard_error(server: FakeApi) -> None:
    server.will_answer({"code": "workspace_not_found", "detail": "There is none."}, 404)
    refused = await run(server, "workspace", "resume", "--workspace", "a/b")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "workspace_not_found: There is none.\n"
    assert server.seen[0][1] == "/admin/v1/workspaces/a%2Fb"
    server.will_answer({"code": "invalid_request", "detail": "plan must be one of: pro."}, 400)
    wrong = await run(server, "workspace", "set-plan", "--workspace", "ws_1", "--plan", "x")
    assert wrong.exit_code == 2


async def test_without_a_token_nothing_is_sent(server: FakeApi) -> None:
    for token in (None, "", "two words"):
        refused = await run(server, "person", "list", token=token)
        assert refused.exit_code == 2
        assert "IMAGERIFT_ADMIN_TOKEN" in refused.stderr
    assert server.seen == []


async def test_a_plan_is_sent_as_its_file_has_it(server: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "gold.json"
    file.write_text('{"band": 2}')
    server.will_answer({"name": "gold"})
    done = await run(server, "plan", "set", "--name", "gold", "--file", str(file))
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"name": "gold"})
    method, path, _, body = server.seen[0]
    assert (method, path, body) == ("PUT", "/admin/v1/plans/gold", {"band": 2})
    for text in ("[]", "{", None):
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        refused = await run(server, "mode", "set", "--name", "m", "--file", str(file))
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert str(file) in refused.stderr
    assert len(server.seen) == 1


async def test_a_deleted_webhook_is_told_by_its_id(server: FakeApi) -> None:
    server.will_answer(None, 204)
    done = await run(server, "webhook", "delete", "--webhook", "whk_1")
    assert json.loads(done.stdout) == {"webhookId": "whk_1"}
    server.will_answer({"name": "a", "waitsFor": None})
    await run(server, "mode", "delete", "--name", "a/b")
    assert [path for _, path, _, _ in server.seen] == [
        "/admin/v1/webhooks/whk_1",
        "/admin/v1/modes/a%2Fb",
    ]


def _at_once(pause: Any) -> Any:
    def none(*arguments: Any, **more: Any) -> float:
        pause(*arguments, **more)
        return 0.0

    return none
