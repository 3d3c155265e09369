"""What a server counts, in the format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from anygen.core.media import modality_of
from anygen.generation.events import (
    Done,
    Event,
    MediaDone,
    MediaFailed,
    MediaProgress,
    TextDelta,
)

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # upper ends of buckets


class Metrics:
    """Counters of one server. For its event loop."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "anygen_requests", "HTTP requests", ["path", "status"], registry=registry
        )
        self.answers = Counter(
            "anygen_answers", "Answers by why they ended", ["finish"], registry=registry
        )
        self.tokens = Counter(
            "anygen_tokens",
            "Positions of prompts, read and cached, and new text",
            ["kind"],
            registry=registry,
        )
        self.media = Counter(
            "anygen_media",
            "Media that were made or failed",
            ["modality", "outcome"],
            registry=registry,
        )
        self.steps = Counter(
            "anygen_denoising_steps", "Denoising steps of media", ["modality"], registry=registry
        )
        self.first = Histogram(
            "anygen_first_seconds",
            "From admission to the first text, or the first medium",
            ["kind"],
            buckets=SECONDS,
            registry=registry,
        )
        self.seconds = Histogram(
            "anygen_answer_seconds",
            "From admission to the end of an answer",
            buckets=SECONDS,
            registry=registry,
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge whose value is read when the metrics are."""
        Gauge(f"anygen_{name}", text, registry=self.registry).set_function(value)

    def page(self) -> bytes:
        return generate_latest(self.registry)


class AnswerMeter:
    """Counts the events of one answer, from its admission on."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics, self.started = metrics, time.monotonic()
        self.kinds: set[str] = set()  # kinds of content that have come

    def count(self, event: Event) -> None:
        metrics = self.metrics
        match event:
            case TextDelta():
                self.arrived("text")
            case MediaProgress(_, modality):
                metrics.steps.labels(modality).inc()
            case MediaDone():
                self.arrived("medium")
                metrics.media.labels(modality_of(event.media), "made").inc()
            case MediaFailed(_, modality):
                metrics.media.labels(modality, "failed").inc()
            case Done():
                self.ended(event)

    def arrived(self, kind: str) -> None:
        if kind not in self.kinds:
            self.kinds.add(kind)
            self.metrics.first.labels(kind).observe(time.monotonic() - self.started)

    def ended(self, done: Done) -> None:
        metrics = self.metrics
        metrics.answers.labels(done.finish_reason).inc()
        metrics.seconds.observe(time.monotonic() - self.started)
        metrics.tokens.labels("read").inc(done.prompt_tokens - done.cached_tokens)
        metrics.tokens.labels("cached").inc(done.cached_tokens)
        metrics.tokens.labels("new").inc(done.new_tokens)
