"""What each key of a scenario means, by its dotted path."""

from __future__ import annotations

from pipeline.link.profiles import shipped
from pipeline.scenario.sites import shipped_sites
from sensors.synthetic import SCENES

MEANINGS: dict[str, str] = {
    "splitway": "Version of the scenario language.",
    "name": "Name of the scenario; the run directory is called after it.",
    "description": "One line for people.",
    "drive": "Where the frames come from; either `path` or `synthetic`.",
    "drive.path": "A recording: a video file, a folder of images, or a folder with one of these "
    "per stream. See [paths](#names-of-files).",
    "drive.synthetic": "The built-in drive, in place of a recording.",
    "drive.synthetic.scene": f"Name of the scene: {', '.join(f'`{name}`' for name in SCENES)}.",
    "drive.synthetic.parameters": "Changes of the scene by name, such as `{weather: rain}`; see "
    "[the synthetic drive](../howto-synthetic-drive.md).",
    "drive.synthetic.seed": "Another seed makes another road, light and traffic.",
    "drive.synthetic.length": "Length of the drive.",
    "drive.synthetic.size": "Width and height of the pictures in pixels.",
    "drive.streams": "The streams to replay, by name.",
    "drive.streams.<name>.period": "Nominal time between two frames, the grid that deadlines "
    "count from. Left out, the recording tells: a video its header's frame rate, a folder its "
    "stamps. The synthetic drive needs it.",
    "drive.streams.<name>.phase": "How much later than recorded all of its frames lie; for a "
    "synthetic stream, when its first frame is taken.",
    "drive.streams.<name>.kind": "What the sensor is. A synthetic stream called `lidar` is one and "
    "needs no `kind`; a recording of one stream tells by itself.",
    "drive.streams.<name>.camera": "Camera of the synthetic drive. A stream that is named like one "
    "needs no `camera`, and the only stream is `front`.",
    "drive.streams.<name>.topic": "Its name in a recording of several streams, such as an MCAP "
    "file.",
    "drive.streams.<name>.file": "The stream's recording below `drive.path`; with several streams "
    "each needs one.",
    "drive.window": "The part of the drive that is replayed. Times of a run count from its start.",
    "drive.window.start": "Where it begins, since the drive's start.",
    "drive.window.length": "How long it is; to the drive's end where left out.",
    "drive.faults": "What goes wrong with the sensors. See "
    "[sensor faults](../howto-sensor-faults.md).",
    "drive.faults.stream": "The stream it happens to.",
    "drive.faults.kind": "What happens.",
    "drive.faults.at": "When it begins, since t0, pauses included.",
    "drive.faults.for": "How long it lasts; to the end where left out.",
    "drive.faults.by": "Of `late` and `duplicate`: how much later a frame is sent. Of "
    "`clock-step`: how far the stamps jump, such as `-30ms`.",
    "drive.faults.probability": "Share of the frames in that time that are hit.",
    "drive.speed": "Speed of the vehicle, for deadlines that follow it: one speed, or a list of "
    "them. Left out, the synthetic drive knows its own, and that of a recording is 0.",
    "drive.speed.at": "When the vehicle has reached it, since the drive's start.",
    "drive.speed.speed": "The speed from then on.",
    "sites": "The sites, `vehicle` and `cloud`; both are needed, and an empty value takes the "
    "defaults.",
    "sites.<name>.profile": "Of the cloud: a site that is known by name "
    f"({', '.join(f'`{name}`' for name in shipped_sites())}), or a TOML file beside the scenario. "
    "Its device, network and host stand where the scenario says nothing of them; see "
    "[sites](../howto-sites.md).",
    "sites.<name>.host": "The host that prices host stages and hops: an installed id, or a TOML "
    "file beside the scenario.",
    "links": "The link between the two sites, by name; this version takes exactly one. Its two "
    "channels are called `<name>.up` and `<name>.down`.",
    "links.<name>.between": "The two sites, `[vehicle, cloud]`; in the other order, `up` and "
    "`down` change places.",
    "links.<name>.up": "Rate from the vehicle to the cloud. A link has `up`, `down` and `rtt`, or "
    "a `trace`, or a `profile`; see [the link model](../explanation/link-model.md).",
    "links.<name>.down": "Rate back.",
    "links.<name>.rtt": "Round trip of an empty message; half of it lies on each way.",
    "links.<name>.loss": "Share of packets that are lost, each costing a round trip.",
    "links.<name>.trace": "A recorded link: a CSV file, or a pair of mahimahi files as "
    "`{up: FILE, down: FILE, rtt: 40ms}`. See [own trace](../howto-own-trace.md).",
    "links.<name>.trace.path": "The file, in the long form.",
    "links.<name>.trace.up": "File of the uplink, where each direction has its own.",
    "links.<name>.trace.down": "File of the downlink.",
    "links.<name>.trace.rtt": "Round trip, for a format that has none; mahimahi's has none.",
    "links.<name>.trace.format": "Name of the format. Left out, a single file goes by its ending "
    "and a pair is `mahimahi`.",
    "links.<name>.profile": "A synthetic link: the name of a shipped profile "
    f"({', '.join(f'`{name}`' for name in shipped())}), or a TOML file beside the scenario.",
    "links.<name>.profile.name": "The profile, in the long form.",
    "links.<name>.profile.seed": "Seed of the trace that is made of it; the run's where left out.",
    "links.<name>.jitter": "How the time that half a round trip takes spreads around its median.",
    "links.<name>.jitter.dist": "Distribution of the factor.",
    "links.<name>.jitter.sigma": "Standard deviation of the factor's logarithm.",
    "links.<name>.faults": "What happens to the link once, in both directions.",
    "links.<name>.faults.kind": "`blackout`: nothing is sent for a while. `handover`: the same, "
    "and the round trip is longer afterwards. `slow`: the rate is multiplied by a factor.",
    "links.<name>.faults.at": "When it begins, since t0.",
    "links.<name>.faults.for": "How long it lasts.",
    "links.<name>.faults.factor": "Of `slow`: the factor, below 1.",
    "links.<name>.faults.extra": "Of `handover`: what the round trip is longer by, until the next "
    "handover.",
    "links.<name>.shares": "Part of both rates that a task's messages have for themselves, no less "
    "and no more; everything else shares the rest.",
    "devices": "The devices by name, one to four at each site. Several share out a network's "
    "operators; what changes devices crosses the site's bus (10 µs and 12 GB/s, assumed).",
    "devices.<name>.spec": "An emulated device: an installed id (`splitway devices`), or a TOML "
    "file beside the scenario. Either this or `backend`.",
    "devices.<name>.backend": "A real device: the id of an installed backend, or `ID:ARGUMENT`, "
    "such as `ort:OpenVINOExecutionProvider` or `rebel:0`. It is measured and never held.",
    "devices.<name>.options": "Options of the backend, by name. For every one: `python`, the "
    "interpreter of the vendor's environment, and `run_limit_s`, seconds after which a run counts "
    "as hung.",
    "devices.<name>.site": "Where it stands, `vehicle` or `cloud`.",
    "devices.<name>.compute": "When an emulated device's outputs are computed: ahead of the run.",
    "devices.<name>.slots": "Jobs that it runs at once.",
    "devices.<name>.batch": "Frames of one task that the cloud's emulated device may run together, "
    "as many as leave every one of them in time.",
    "devices.<name>.ops": "ONNX operator types, for a PIM device: its units run no others. Alone "
    "at its site, it leaves the rest to the processor before it; beside others, it is given no "
    "others. See [PIM](../explanation/pim.md).",
    "devices.<name>.memory": "Memory that it has for weights and tensors. Left out, that of its "
    "spec, as far as that is known.",
    "devices.<name>.faults": "When an emulated device is slower.",
    "devices.<name>.faults.kind": "`slow` alone.",
    "devices.<name>.faults.at": "When it begins, since t0.",
    "devices.<name>.faults.for": "How long it lasts.",
    "devices.<name>.faults.factor": "Its times over those of before.",
    "devices.<name>.precision": "Precision that segments are priced at. Left out, the first that "
    "the device lists; `float32` for a real one.",
    "devices.<name>.numerics": "What an emulated device that is priced in int8 computes of a "
    "float32 network. With `auto` int8 where it knows int8 alone: the shipped `NAME-int8` of a "
    "built-in model, else the network quantised on the drive; `int8` asks for that of a device "
    "that knows more; `float32` turns it off. See [devices](../explanation/devices.md#int8).",
    "tasks": "What has to be known, by name; a path has to go through each.",
    "tasks.<name>.input": "What the network reads, and how a frame is made into it. What is left "
    "out is as the model's card says; see [own model](../howto-own-model.md#the-card).",
    "tasks.<name>.input.stream": "Name of the stream.",
    "tasks.<name>.input.size": "Width and height of the network's input in pixels; they must be "
    "the model's. Needed for pictures where no card says it.",
    "tasks.<name>.input.layout": "Order of the axes.",
    "tasks.<name>.input.color": "Order of the channels; `bgr` where no card says it.",
    "tasks.<name>.input.fit": "`letterbox` keeps the proportions, puts the picture to the top "
    "left and fills the rest with `pad`; `stretch`, the default, fills the whole input.",
    "tasks.<name>.input.pad": "Value of the pixels that `letterbox` fills; 114 where no card says "
    "it.",
    "tasks.<name>.input.scale": "What pixels, 0 to 255, are multiplied by; 1 where no card says "
    "it.",
    "tasks.<name>.input.pillars": "Of a LiDAR: the grid on the ground that its points are gathered "
    "in, ego frame: `x_m`, `y_m` (least corner), `cell_m`, `rows` (along x), `columns` (along y), "
    "`low_m`, `high_m`. See [own model](../howto-own-model.md#a-lidars-network).",
    "tasks.<name>.variants": "Models of the task by name; all compete, but for one "
    "that `policy.hedge.with` names; results are compared with the first one's.",
    "tasks.<name>.variants.<name>.model": "An ONNX file with static shapes, or `builtin:NAME`, a "
    "model that is shipped; `builtin:detector` is untrained.",
    "tasks.<name>.variants.<name>.sha256": "First digits of the file's hash, 8 to 64 of them; "
    "another file is refused.",
    "tasks.<name>.variants.<name>.timing_only": "Whether the network is priced and never run, as "
    "one without its weights; needs `run.sizes: modelled` and runs in virtual time alone.",
    "tasks.<name>.output": "The decoder of the network's output: its name, or a map of `decoder` "
    "and the decoder's own parameters; needed where no card says it. See "
    "[own model](../howto-own-model.md#pick-the-decoder).",
    "tasks.<name>.output.decoder": "Name of the decoder, in the long form.",
    "tasks.<name>.route": "Routes that the plan may choose: `auto` (all), `edge`, `raw`, "
    "`encoded`, `split`, `split@NODE` (the head is that node and all it depends on), or a list.",
    "tasks.<name>.wire": "How cut tensors are coded.",
    "tasks.<name>.wire.codec": "Codec of the tensors that cross at a cut; with `auto` the plan "
    "prices `float32`, `float16` and `int8`, and for a LiDAR `sparse` and `sparse:int8` besides.",
    "tasks.<name>.wire.lossless": "A lossless stage behind the codec of cut tensors; with `auto` "
    "the plan prices both.",
    "tasks.<name>.raw_pixels_stay": "Whether pixels must stay on the car: forbids `raw`, `encoded` "
    "and any cut before the first weighted layer at stride 8.",
    "tasks.<name>.min_agreement": "Least agreement of the result with that of the first variant, "
    "uncut and without a codec, on the calibration frames.",
    "tasks.<name>.devices": "Devices that the task may use, at least one of each site; all where "
    "left out.",
    "tasks.<name>.calibration_frames": "Frames of the stream that a network is quantised on, one "
    "drawn from each of as many equal stretches, fewer where there are not as many.",
    "tasks.<name>.importance": "Weight of the task where several share a car: what an answer "
    "in time is worth beside the others'.",
    "paths": "Stream, task, deadline and gates, by name; a path without a gate is reported.",
    "paths.<name>.from": "Name of the stream; or a map of the keys below, for a path that fuses "
    "several. See [several sensors](../explanation/policies.md#several-sensors).",
    "paths.<name>.from.anchor": "The stream whose frames are offered, and counted, in the path.",
    "paths.<name>.from.with": "The partners, by stream.",
    "paths.<name>.from.with.<name>.offset": "Where a partner's recorded stamp should lie against "
    "the anchor's; the nearest frame within half its period is taken.",
    "paths.<name>.from.with.<name>.wait": "How long a set waits for it once the anchor's own "
    "result is there.",
    "paths.<name>.from.with.<name>.partial": "Whether the set goes on without it, `allowed` and "
    "counted as partial, or is dropped, `refused`.",
    "paths.<name>.through": "The task, in a list; of a fused path a task per stream, then `fuse`. "
    "`track` behind them follows objects from frame to frame, and a task behind that forecasts.",
    "paths.<name>.every": "Takes the frames whose number is a multiple of this. The others are "
    "counted as not selected and have no row.",
    "paths.<name>.e2e": "The deadline: from the scheduled time to the decoded result at the "
    "consumer. A map of the four keys below makes it follow the vehicle's speed.",
    "paths.<name>.e2e.base": "The deadline at or below the speed `from`.",
    "paths.<name>.e2e.from": "Speed above which it falls.",
    "paths.<name>.e2e.per_m_s": "What each m/s above that speed takes off.",
    "paths.<name>.e2e.floor": "What it never falls below, and what the plan has to meet.",
    "paths.<name>.max_miss": "Largest miss rate that the gate lets pass. Left out, the path is "
    "reported and not gated.",
    "paths.<name>.confidence": "Confidence of the gate's upper bound on the miss rate.",
    "paths.<name>.max_age": "Gate: largest age of the newest result at the consumer, at any "
    "instant; gaps count. See [freshness](../explanation/freshness-and-rules.md).",
    "paths.<name>.weakly_hard": "Gate: at most so many misses in any so many frames in a row.",
    "paths.<name>.weakly_hard.misses": "Misses that are allowed, fewer than `in`.",
    "paths.<name>.weakly_hard.in": "Frames in a row.",
    "paths.<name>.consecutive": "Gate: most misses one after the other.",
    "paths.<name>.horizon": "When a frame that is still open settles; three deadlines where left "
    "out, never shorter than `e2e`.",
    "budgets": "Advice: a budget for each span of a path, by the path's name and the span's. A "
    "span whose p99 is over it is reported; no gate hangs on it.",
    "scoring": "How the results of tasks are held against labels, by task. See "
    "[accuracy](../explanation/scoring.md).",
    "scoring.<name>.classes": "Names of classes that stand for another, found or labelled, such as "
    "`person: pedestrian`.",
    "gates": "What a run must keep beside the deadlines of its paths.",
    "gates.accuracy": "Least figures by task, such as `{objects: {map: 0.4, streaming_map: 0.3}}`; "
    "the drive has to be labelled.",
    "policy": "What the cores decide by.",
    "policy.in_flight": "Most frames of a task that are under way; one more waits, the newest.",
    "policy.expired": "Work that can no longer be in time: `drop` leaves it undone, `run` does it "
    "all the same. A route whose best case exceeds the deadline always runs.",
    "policy.hedge": "A second route of the same frame, in the car, that covers the first; `null` "
    "for none, also where an extended file has one. See "
    "[policies](../explanation/policies.md).",
    "policy.hedge.start": "`never`; `latest`, the last moment at which it is still in time; "
    "`at-once`; `cost-based`, the first moment at which it is worth its cost; or such as "
    "`deadline - 35ms`.",
    "policy.hedge.with": "`tail`, the rest of the frame's own network, or the whole of it where "
    "the frame itself is sent; `variant:NAME`, another model of the task; or `auto`, what serves "
    "best of these.",
    "policy.hedge.margin": "To spare before the deadline, beyond the 99.9 % quantile of the "
    "hedge's own time.",
    "policy.hedge.answer": "`best`, which waits for the cloud's answer as long as it can, or "
    "`first`. Left out: `first` with `at-once`, else `best`.",
    "policy.hedge.edge_cost": "Of `cost-based`: what a run in the car costs, as a share of what a "
    "miss costs.",
    "policy.breaker": "Stop asking a cloud that does not answer; left out, it is always asked.",
    "policy.breaker.open_after": "Requests in a row that were not answered in time.",
    "policy.breaker.half_open_every": "How often one frame is sent all the same, to see whether it "
    "is back.",
    "policy.switch": "Move over the plan map as the estimates of rate, round trip and load move; "
    "left out, the plan's choice stays.",
    "policy.switch.patience": "Estimates in a row that must lie in a better region.",
    "policy.switch.margin": "By how much above its border they must lie.",
    "policy.switch.probe_every": "How often a frame is sent over the link from a region whose "
    "route does not use it.",
    "policy.switch.lowest": "Least rate that the plan map tells apart from none.",
    "policy.tasks": "`together` plans all tasks as one, under the link and devices that they "
    "share; `alone` plans each as if there were no other. See "
    "[several tasks](../explanation/planner.md#several-tasks).",
    "policy.shares": "`plan` has a task that sends more than its share of the uplink give "
    "way while another one with a share is busy; `none` lets everybody send.",
    "policy.cloud": "What the cloud takes.",
    "policy.cloud.refuse": "`late` refuses work at once that cannot be answered in time, and in "
    "line once it has become too late; `never` serves everything.",
    "run": "How the drive is replayed.",
    "run.rate": "Speed; 0.5 is half as fast as recorded. It stretches the schedule, not the "
    "deadlines. `max`, in live runs: the next frame goes when the one before is settled. Nothing "
    "is overtaken, and deadlines are not judged.",
    "run.pause": "When the drive stands still, in the order in which the pauses begin.",
    "run.pause.at": "When it begins, since t0, earlier pauses included.",
    "run.pause.for": "How much later everything comes that is due from then on.",
    "run.loop": "Passes of the drive.",
    "run.seed": "Seed of all draws of a run, those of faults included.",
    "run.warmup": "Frames that go through before t0 and settle in no row.",
    "run.min_samples": "Frames below which a path is not judged.",
    "run.sizes": "Sizes of what crosses in virtual time: `exact`, each picture's own, found by "
    "computing all of them ahead; or `modelled`, the plan's prediction for all, and nothing is "
    "computed. What a live run sends has its own size either way.",
    "run.security": "Encryption of the sockets; they are local ones in this version.",
    "evidence": "What a run directory keeps of the pictures.",
    "evidence.images": "Annotated stills, one a second: none, 240 pixels wide, or full size. "
    "`--annotate` asks for `full`.",
    "outputs": "Files made of the result.",
}
