"""Jobs from the host's side: events, results, cancelling, deadlines."""

import threading
import time

import pytest
from velatura import errors, pixels, png, recipe, spec
from velatura.testing import MODEL, Script, picture
from velatura.v1 import jobs_pb2, pixels_pb2


def small(prompt="moss", **more):
    return spec.texture(prompt, size=16, **more)


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def kinds(events):
    return [event.WhichOneof("event") for event in events]


def test_a_job_brings_its_picture(engine):
    result = engine.generate(small(seed=7)).result(10)
    assert png.decode(result.images[0].data).data == picture(16, 16, 7)
    assert result.seeds == [7]


def test_events_come_in_order_from_queued_to_finished(engine):
    events = list(engine.generate(small(), timeout=10).events())
    assert kinds(events) == ["queued", "started", *["progress"] * 4, "artifact", "finished"]
    assert [event.sequence for event in events] == list(range(1, 9))


def test_the_engine_gets_what_the_artist_asked(engine, fake):
    engine.generate(small("rust", tile="x", steps=9)).result(10)
    task = fake.specs[0].steps[0].diffuse
    assert (task.prompt.text, task.tiling.x, task.tiling.y, task.sampling.steps) == ("rust", True, False, 9)


def test_the_result_says_what_was_left_open(engine):
    assert engine.generate(small()).result(10).resolved.steps[0].diffuse.model == MODEL


def test_warnings_reach_the_result(engine, fake):
    fake.once(Script(warn="The prompt is long"))
    assert engine.generate(small()).result(10).warnings[0].message == "The prompt is long"


def test_several_pictures_count_on_from_the_seed(engine):
    assert engine.generate(small(seed=5, count=3)).result(10).seeds == [5, 6, 7]


def test_a_layer_comes_with_the_place_where_it_belongs(engine):
    picture = pixels.raw(bytes(64 * 32 * 3), 64, 32, pixels_pb2.PIXEL_FORMAT_RGB8)
    wide = engine.generate(spec.diffuse("moss", init=picture, outpaint=spec.outpaint(left=16))).result(5)
    assert (wide.images[0].width, wide.images[0].height, wide.offsets) == (80, 32, [(0, 0)])
    assert wide.resolved.steps[0].diffuse.outpaint.left == 16
    ask = spec.diffuse(
        "moss", init=picture, mask=pixels.mask(b"\xff" * 64 * 32, 64, 32), inpaint=spec.inpaint(layer=True)
    )
    layer = engine.generate(ask).result(5)
    assert (layer.images[0].width, layer.images[0].height, layer.offsets) == (32, 16, [(16, 8)])


def test_polling_never_waits(engine, fake):
    fake.once(Script(hang=True))
    job = engine.generate(small())
    slowest = 0.0
    for _ in range(200):
        begin = time.perf_counter()
        job.poll()
        slowest = max(slowest, time.perf_counter() - begin)
        time.sleep(0.001)
    assert not job.done
    assert slowest < 0.05
    job.cancel()


def test_starting_a_job_does_not_wait_for_a_dead_engine(engine, fake):
    fake.stop()
    begin = time.perf_counter()
    job = engine.generate(small())
    assert time.perf_counter() - begin < 0.1
    with pytest.raises(errors.Unreachable):
        job.result(10)


def test_polling_hands_out_each_event_once(engine):
    job = engine.generate(small())
    job.wait(10)
    assert len(job.poll()) == 8
    assert job.poll() == []


def test_of_previews_that_wait_only_the_newest_stays(engine):
    job = engine.generate(small(preview=True))
    job.wait(10)
    previews = [event.preview for event in job.poll() if event.HasField("preview")]
    assert [preview.step for preview in previews] == [4]
    assert previews[0].image.format == pixels_pb2.PIXEL_FORMAT_JPEG


def test_the_callback_gets_every_event_on_the_network_thread(engine):
    seen = []
    job = engine.generate(small(preview=True), lambda event: seen.append((event, threading.current_thread().name)))
    job.wait(10)
    until(lambda: len(seen) == 12)
    assert {name for _, name in seen} == {"velatura"}


def test_a_callback_that_raises_does_not_end_the_job(engine):
    def clumsy(event):
        raise ValueError("host bug")

    assert engine.generate(small(), clumsy).result(10).images


def test_a_call_that_blocks_inside_the_callback_is_refused_instead_of_freezing(engine):
    said = []

    def clumsy(event):
        try:
            engine.catalog()
        except RuntimeError as error:
            said.append(str(error))

    engine.generate(small(), clumsy).result(10)
    until(lambda: len(said) == 8)


def test_cancelling_stops_the_job_in_the_engine(engine, fake):
    fake.once(Script(hang=True))
    job = engine.generate(small())
    until(lambda: job.fraction)
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(5)
    until(lambda: fake.jobs[job.id].state.state == jobs_pb2.JOB_STATE_CANCELLED)
    assert job.state == jobs_pb2.JOB_STATE_CANCELLED


def test_a_job_cancelled_at_once_ends_too(engine):
    job = engine.generate(small())
    job.cancel()
    assert job.wait(5)


def test_closing_the_connection_stops_its_jobs(engine, fake):
    fake.once(Script(hang=True))
    job = engine.generate(small())
    until(lambda: job.fraction)
    engine.close()
    assert job.wait(5)
    until(lambda: fake.jobs[job.id].state.state == jobs_pb2.JOB_STATE_CANCELLED)


def test_a_deadline_ends_the_job(engine, fake):
    fake.once(Script(hang=True))
    with pytest.raises(errors.Timeout, match="did not"):
        engine.generate(small(), timeout=0.3).result(5)
    until(lambda: fake.jobs["job-1"].state.state == jobs_pb2.JOB_STATE_CANCELLED)


def test_waiting_too_briefly_leaves_the_job_running(engine, fake):
    fake.once(Script(delay=0.1))
    job = engine.generate(small())
    with pytest.raises(errors.Timeout):
        job.result(0.05)
    assert job.result(10).images


def test_a_failure_says_what_to_do(engine, fake):
    fake.once(Script(fail=errors.OutOfMemory("The picture does not fit", remedy="Try 512 × 512.")))
    job = engine.generate(small())
    with pytest.raises(errors.OutOfMemory) as caught:
        job.result(10)
    assert str(caught.value) == "The picture does not fit. Try 512 × 512."
    assert job.state == jobs_pb2.JOB_STATE_FAILED


def test_events_of_a_failed_job_end_with_the_failure(engine, fake):
    fake.once(Script(fail=errors.OutOfMemory("The picture does not fit")))
    assert kinds(engine.generate(small()).events())[-1] == "finished"


def test_a_refused_job_raises_where_it_is_waited_for(engine, fake):
    fake.once(Script(refuse=errors.Busy("Too many jobs wait", retry_after=2.5)))
    job = engine.generate(small())
    with pytest.raises(errors.Busy) as caught:
        job.result(10)
    assert caught.value.retry_after == 2.5


def test_the_last_event_is_always_finished_even_where_there_is_no_engine(engine, fake):
    fake.stop()
    told = []
    job = engine.generate(small(), told.append)
    last = list(job.events())[-1].finished
    assert (last.state, isinstance(job.error, errors.Unreachable)) == (jobs_pb2.JOB_STATE_FAILED, True)
    # Whether the connection is seen to break or the next one is refused depends on who notices first.
    assert fake.address in last.error.message
    until(lambda: kinds(told) == ["finished"])


def test_the_result_can_be_taken_inside_the_callback_of_the_last_event(engine):
    pictures, named = [], threading.Event()

    def on_event(event):
        named.wait(5)  # the last event may come before the job has its name here
        if event.HasField("finished"):
            pictures.extend(job.result().images)

    job = engine.generate(small(), on_event)
    named.set()
    until(lambda: pictures)


def test_a_newer_job_takes_the_place_of_the_older(engine, fake):
    fake.once(Script(hang=True))
    older = engine.generate(small(supersede_key="live"))
    until(lambda: older.fraction)
    assert engine.generate(small(supersede_key="live")).result(10).images
    with pytest.raises(errors.Cancelled):
        older.result(5)


def test_a_wrong_field_is_named(engine):
    with pytest.raises(errors.Invalid) as caught:
        engine.generate(spec.diffuse("")).result(10)
    assert caught.value.field == "steps[0].diffuse.prompt.text"
    assert str(caught.value) == "Prompt: say what to paint."


def test_an_unknown_model_brings_suggestions(engine):
    with pytest.raises(errors.NotFound) as caught:
        engine.generate(small(model="fake/pianter")).result(10)
    assert "Did you mean fake/painter?" in str(caught.value)


def test_steps_can_use_what_earlier_steps_made(engine):
    job = spec.job(small(hidden=True), spec.upscale(pixels.from_step(0), factor=3))
    result = engine.generate(job).result(10)
    assert [png.size(image.data) for image in result.images] == [(48, 48)]


def test_a_recipe_in_the_picture_makes_the_same_picture_again(engine):
    first = engine.generate(small(seed=3)).result(10).images[0].data
    again = engine.generate(recipe.replay(recipe.read(first))).result(10).images[0].data
    assert png.decode(again).data == png.decode(first).data


def test_many_jobs_at_once_from_many_threads_do_not_mix(engine):
    seen = {}

    def one(seed):
        seen[seed] = png.decode(engine.generate(small(seed=seed)).result(20).images[0].data).data

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {seed: picture(16, 16, seed) for seed in range(16)}


def test_a_plan_is_told_and_nothing_runs(engine, fake):
    plan = engine.plan(small())
    assert plan.resolved.steps[0].diffuse.model == MODEL
    assert plan.explanation
    assert not fake.jobs


def test_jobs_are_listed_newest_first_over_pages(engine):
    made = [engine.create_job(small()).id for _ in range(5)]
    assert [job.id for job in engine.list_jobs()] == made[::-1]
    assert [job.id for job in engine.list_jobs(limit=2)] == made[:2:-1]


def test_a_job_can_be_looked_up_and_cancelled_by_its_id(engine, fake):
    fake.once(Script(hang=True))
    job_id = engine.create_job(small()).id
    engine.cancel_job(job_id)
    until(lambda: engine.get_job(job_id).state == jobs_pb2.JOB_STATE_CANCELLED)
    with pytest.raises(errors.NotFound):
        engine.get_job("job-99")


def test_cancelling_a_watched_job_cancels_it_at_the_engine(engine, fake):
    fake.once(Script(hang=True))
    job = engine.submit(small())
    until(lambda: job.fraction)
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(5)
    assert fake.jobs[job.id].state.state == jobs_pb2.JOB_STATE_CANCELLED


def test_a_job_can_be_watched_by_a_second_connection(engine, fake):
    from velatura import Engine

    fake.once(Script(delay=0.05))
    job_id = engine.create_job(small()).id
    with Engine.connect(fake.endpoint) as other:
        assert other.watch_job(job_id).result(10).images


def test_the_catalog_is_sent_once(engine, fake):
    assert engine.catalog() is engine.catalog()
    asked = [request.etag for name, request in fake.requests if name == "EngineService.GetCatalog"]
    assert asked == ["", "fake"]
    assert engine.rescan_models().models[0].is_default


def test_the_engines_state_is_told_as_it_changes(engine, fake):
    fake.once(Script(hang=True))
    feed = engine.watch_engine()
    until(lambda: any(status.worker == "ready" for status in feed.poll()))
    job = engine.generate(small())
    until(lambda: any(status.running == 1 for status in feed.poll()))
    job.cancel()
    feed.cancel()
    assert feed.wait(5)


def test_a_job_can_be_handed_in_without_waiting_and_outlives_the_connection(engine, fake):
    fake.once(Script(delay=0.05))
    since = time.monotonic()
    job = engine.hand_in(small(seed=7))
    assert time.monotonic() - since < 0.05
    until(lambda: job.id)
    job.leave()
    again = engine.watch_job(job.id)
    assert png.decode(again.result(10).images[0].data).data == picture(16, 16, 7)


def test_a_handed_in_job_that_is_refused_says_so_at_its_end(engine):
    with pytest.raises(errors.Invalid, match="say what to paint"):
        engine.hand_in(spec.diffuse("")).result(10)


def test_a_handed_in_job_cancelled_at_once_is_stopped_when_it_is_accepted(engine, fake):
    fake.once(Script(hang=True))
    job = engine.hand_in(small())
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(10)
    assert fake.jobs[job.id].state.state == jobs_pb2.JOB_STATE_CANCELLED


def test_jobs_are_taken_in_the_order_they_were_handed_in(engine, fake):
    jobs = [engine.hand_in(small(seed=seed)) for seed in range(20)]
    for job in jobs:
        job.result(20)
    assert [spec.steps[0].diffuse.seed for spec in fake.specs] == list(range(20))


def test_knobs_of_the_sampler_are_sent_with_their_types(engine, fake):
    engine.generate(small(sampler="dpmpp_2m", knobs={"order": 3, "eta": 0.5})).result(10)
    sent = fake.specs[0].steps[0].diffuse.sampling.knobs
    assert sent["order"].integer == 3 and sent["eta"].number == 0.5
