"""What was accepted is still known after the front has died."""

import time

import pytest
from velatura.v1 import jobs_pb2
from velatura_engine.errors import Invalid
from velatura_engine.jobs.job import Job
from velatura_engine.jobs.journal import Journal


def job(id: str, **fields) -> Job:
    return Job(id=id, client="me", spec=jobs_pb2.JobSpec(request_id=id), lasting=True, **fields)


def finish(one: Job, ended: float) -> Job:
    one.state, one.started, one.ended = jobs_pb2.JOB_STATE_SUCCEEDED, one.created, ended
    one.log.add(artifact=jobs_pb2.Artifact(text="a result"))
    one.log.add(finished=jobs_pb2.Finished(state=one.state))
    return one


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "jobs.sqlite")
    yield opened
    opened.close()


def test_waiting_and_running_jobs_are_told_apart_in_the_order_in_which_they_came(journal):
    for id in ("a", "b"):
        journal.accept(job(id, created=1234.5))
    journal.begin("a")
    assert [(record.id, record.was_running, record.created) for record in journal.unfinished()] == [
        ("a", True, 1234.5), ("b", False, 1234.5),
    ]  # fmt: skip


def test_an_ended_job_is_kept_with_its_events(journal):
    one = job("a")
    journal.accept(one)
    journal.end(finish(one, time.time()))
    (known,) = journal.finished(max_age=60)
    assert known.message() == one.message() and known.log.kept == one.log.kept and not journal.unfinished()


def test_old_and_forgotten_jobs_are_gone_with_their_events(journal):
    for id, ended in (("old", time.time() - 100), ("new", time.time())):
        one = job(id)
        journal.accept(one)
        journal.end(finish(one, ended))
    assert [known.id for known in journal.finished(max_age=60)] == ["new"]
    journal.forget("new")
    assert not journal.finished(max_age=1e6) and not journal._events("old") and not journal._events("new")


def test_two_engines_do_not_share_a_state_folder(journal, tmp_path):
    with pytest.raises(Invalid, match="state_dir") as caught:
        Journal(tmp_path / "jobs.sqlite")
    assert "other engine" in caught.value.remedy


def test_a_damaged_journal_is_put_aside(tmp_path):
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"this is no database" * 100)
    opened = Journal(path)
    assert not opened.unfinished() and (tmp_path / "jobs.sqlite.damaged").exists()
    opened.close()
