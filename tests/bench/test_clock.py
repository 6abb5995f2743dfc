from kerasae.bench import run as clock


def test_speed_is_images_over_the_time_they_took(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += 0.5

    # Three calls of half a second reach the 1.2 seconds asked for: 30 images in 1.5 seconds.
    assert clock.images_per_second(work, 10, 1.2) == 20.0
    assert clock.images_per_second(work, 10, 0.0) == 20.0
