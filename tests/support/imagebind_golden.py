"""What the published ImageBind answers at tiny sizes, and how that was recorded.

Weights and inputs are numbers that anybody can compute from their names, so the golden file holds
answers alone. It was made once, from wheels that are no dependency of ours:

    pip download --no-deps -d DIR imagebind_unofficial==0.1.1 torchaudio==2.11.0 einops==0.8.2
    pip download --no-deps --no-binary :all: -d DIR pytorchvideo==0.1.5
    # unpack them all in DIR, then
    PYTHONPATH=.:tests python -m support.imagebind_golden DIR

`imagebind_unofficial` is the published source, byte for byte (CC-BY-NC-SA 4.0); it is run here,
and none of it is copied.
"""

import importlib
import math
import sys
import zlib
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from safetensors.torch import save_file

from encoders.parts.imagebind.towers import Sizes
from support.paths import TESTS

GOLDEN = TESTS / "numerics" / "encoders" / "imagebind.safetensors"

SIZES = {
    "vision": Sizes(width=32, blocks=2, heads=4, input=(224, 224)),
    "text": Sizes(width=16, blocks=2, heads=2, input=(77,)),
    "audio": Sizes(width=24, blocks=2, heads=3, input=(128, 204)),
    "depth": Sizes(width=16, blocks=2, heads=4, input=(224, 224)),
    "thermal": Sizes(width=24, blocks=2, heads=3, input=(224, 224)),
    "imu": Sizes(width=16, blocks=2, heads=2, input=(2000,)),
}
JOINT = 12
SHAPES = {
    "vision": (2, 3, 224, 224),
    "video": (1, 15, 3, 2, 224, 224),
    "audio": (2, 3, 1, 128, 204),
    "depth": (2, 1, 224, 224),
    "thermal": (2, 1, 224, 224),
    "imu": (2, 6, 2000),
}
SPARSE = slice(None, None, 29)  # of the pixels and of the frames recorded; 203 is one of silence


def seeded(name: str, *shape: int) -> torch.Tensor:
    """Uniform in [-0.5, 0.5): bits of the generator, the same on every machine."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.rand(shape, generator=generator) - 0.5


def fill(model: torch.nn.Module) -> None:
    """Weights from their names; layer norms stay near one. Scales stay as they are built."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("log_logit_scale"):
                near_one = parameter.ndim == 1 and name.endswith("weight")
                parameter.copy_(0.4 * seeded(name, *parameter.shape) + near_one)


def tower_inputs() -> dict[str, torch.Tensor]:
    """By what they are; a video is read by the tower vision."""
    inputs = {name: 4 * seeded(f"input.{name}", *shape) for name, shape in SHAPES.items()}
    texts = torch.zeros(2, 77, dtype=torch.long)
    texts[0, :6] = torch.tensor([49_406, 320, 1_125, 539, 7, 49_407])
    texts[1, :3] = torch.tensor([49_406, 2_368, 49_407])
    return {**inputs, "text": texts}


def sound() -> torch.Tensor:
    """(2, N) at 44.1 kHz: noise and a chirp on the left, noise on the right.

    So long that its clips do not meet: the published loader takes the mean of each from all that
    follows, too, which shows in the frame where a clip ends in another.
    """
    times = torch.arange(286_650) / 44_100  # 6.5 s
    chirp = torch.sin(2 * torch.pi * (200 + 600 * times) * times)
    return 0.2 * seeded("sound", 2, len(times)) + torch.stack([0.3 * chirp, 0 * chirp])


def frames() -> torch.Tensor:
    """(T, 3, H, W) uint8, 3.3 s at 10 a second: wide, of odd sizes."""
    return ((seeded("frames", 33, 3, 31, 47) + 0.5) * 256).to(torch.uint8)


def main(downloads: Path) -> None:
    sys.path.insert(0, str(downloads))
    stand_in(downloads)
    model = reference_model()
    inputs = tower_inputs()
    golden = {name: model({tower(name): x})[tower(name)] for name, x in inputs.items()}
    for name in ("vision", "video", "audio"):
        model.modality_heads[tower(name)][1] = AllButFirst()  # what NExT-GPT changed
        golden[f"{name}.patches"] = model({tower(name): inputs[name]})[tower(name)][:1]
    data = importlib.import_module("imagebind.data")
    golden["sound"] = data.load_and_transform_audio_data([""], "cpu")[0, ..., SPARSE]
    golden["frames"] = data.load_and_transform_video_data([""], "cpu")[0][..., SPARSE, SPARSE]
    save_file({name: x.detach().float().contiguous() for name, x in golden.items()}, GOLDEN)


def tower(name: str) -> str:
    return "vision" if name == "video" else name


class AllButFirst(torch.nn.Module):
    def forward(self, tokens):
        return tokens[:, 1:]


def reference_model() -> torch.nn.Module:
    module = importlib.import_module("imagebind.models.imagebind_model")
    sizes = {
        f"{name}_{key}": value
        for name, row in SIZES.items()
        for key, value in (
            ("embed_dim", row.width),
            ("num_blocks", row.blocks),
            ("num_heads", row.heads),
        )
    }
    model = module.ImageBindModel(out_embed_dim=JOINT, **sizes).eval()
    fill(model)
    return model.requires_grad_(False)


def stand_in(downloads: Path) -> None:
    """Modules that the reference imports and that have no builds for here, as far as it uses them.

    Of torchaudio and pytorchvideo the files that compute are the real ones.
    """
    bare = {
        "imagebind": downloads / "imagebind",  # without its __init__, which imports everything
        "torchaudio": downloads / "torchaudio",
        "torchaudio.functional": downloads / "torchaudio" / "functional",
        "torchaudio.compliance": downloads / "torchaudio" / "compliance",
        "pytorchvideo": next(downloads.glob("pytorchvideo-*")) / "pytorchvideo",
        "pytorchvideo.transforms": next(downloads.glob("pytorchvideo-*"))
        / "pytorchvideo"
        / "transforms",
        **dict.fromkeys(["timm", "timm.layers", "iopath", "iopath.common"]),
        **dict.fromkeys(["iopath.common.file_io", "pytorchvideo.data", "pkg_resources"]),
        **dict.fromkeys(["pytorchvideo.data.clip_sampling", "pytorchvideo.data.encoded_video"]),
        **dict.fromkeys(["torchvision", "torchvision.transforms", "torchaudio.lib"]),
    }
    for name, path in bare.items():
        sys.modules[name] = ModuleType(name)
        if path:
            sys.modules[name].__path__ = [str(path)]
    modules = sys.modules
    modules["timm.layers"].DropPath = torch.nn.Identity
    modules["timm.layers"].trunc_normal_ = torch.nn.init.trunc_normal_
    modules["iopath.common.file_io"].g_pathmgr = SimpleNamespace(open=open)
    modules["torchvision"].transforms = modules["torchvision.transforms"]
    modules["torchvision.transforms"].Compose = compose
    modules["torchvision.transforms"].Normalize = normalize
    modules["pytorchvideo.data.clip_sampling"].ConstantClipsPerVideoSampler = EvenClips
    modules["pytorchvideo.data.encoded_video"].EncodedVideo = EncodedVideo
    stand_in_for_torchaudio()
    functional = importlib.import_module("pytorchvideo.transforms.functional")
    transforms = modules["pytorchvideo.transforms"]
    modules["pytorchvideo"].transforms = transforms
    transforms.functional = functional
    transforms.ShortSideScale = lambda size: lambda x: functional.short_side_scale(x, size)
    transforms.UniformTemporalSubsample = lambda num_samples: (
        lambda x: functional.uniform_temporal_subsample(x, num_samples)
    )


def stand_in_for_torchaudio() -> None:
    torchaudio = sys.modules["torchaudio"]
    torchaudio.functional = sys.modules["torchaudio.functional"]
    torchaudio.compliance = sys.modules["torchaudio.compliance"]
    sys.modules["torchaudio.functional.filtering"] = ModuleType("filtering")
    for name in ("highpass_biquad", "treble_biquad"):
        setattr(sys.modules["torchaudio.functional.filtering"], name, None)
    torchaudio.load = lambda path: (sound().double(), 44_100)  # float32 is some 1e-3 off
    functional = importlib.import_module("torchaudio.functional.functional")
    torchaudio.functional.resample = functional.resample
    torchaudio.compliance.kaldi = importlib.import_module("torchaudio.compliance.kaldi")


def compose(steps):
    def run(x):
        for step in steps:
            x = step(x)
        return x

    return run


def normalize(mean, std, inplace=False):
    def run(x):
        shape = (-1, *[1] * (x.ndim - 1))
        return (x - torch.tensor(mean).reshape(shape)) / torch.tensor(std).reshape(shape)

    return run


class EvenClips:
    """As in the commit of pytorchvideo that ImageBind asks for; 0.1.5 never reaches the end."""

    def __init__(self, clip_duration, clips_per_video):
        self.duration, self.clips, self.index = clip_duration, clips_per_video, 0

    def __call__(self, last_clip_time, video_duration, annotation):
        latest = Fraction(max(video_duration - self.duration, 0))
        start = Fraction(latest, max(self.clips - 1, 1)) * self.index
        self.index = (self.index + 1) % self.clips
        return start, start + self.duration, 0, 0, self.index == 0


class EncodedVideo:
    """The frames above, read as pytorchvideo does with decord."""

    duration, fps = 3.3, 10.0

    @classmethod
    def from_path(cls, path, **options):
        return cls()

    def get_clip(self, start, end):
        last = min(math.ceil(self.fps * end), len(frames()))
        return {"video": frames()[math.ceil(self.fps * start) : last].permute(1, 0, 2, 3).float()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
