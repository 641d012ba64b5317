"""A rank of `peers.py ddp`: PyTorch's DistributedDataParallel over gloo, with the embeddings of all
ranks gathered and their gradients with them, as ours does it.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from peers import encoder, supcon  # noqa: E402
from timing import arguments, report, timed  # noqa: E402


def main(batch=256, side=28, channels=1, width=16, precision="bf16", sync=0, runs=18, **_) -> None:
    import torch
    import torch.distributed as distributed
    from torch.distributed.nn.functional import all_gather

    torch.set_num_threads(1)
    torch.manual_seed(0)
    distributed.init_process_group("gloo")
    rank, world = distributed.get_rank(), distributed.get_world_size()
    order = torch.channels_last
    net = encoder("resnet18", "cifar", width, channels).to(memory_format=order)
    if sync:
        sys.exit("PyTorch's SyncBatchNorm needs GPUs")
    net = torch.nn.parallel.DistributedDataParallel(net)
    own = 2 * batch // world
    images = torch.randn(own, channels, side, side).contiguous(memory_format=order)
    labels = torch.randint(10, (batch // world,)).repeat(2).repeat(world)
    optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            w = net(images)
        z = torch.nn.functional.normalize(w.float())
        # DDP takes the mean of the ranks' gradients, each of the whole loss.
        loss = supcon(torch.cat(all_gather(z)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds = timed(step, runs, 3)
    if rank == 0:
        report(seconds)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(**arguments(sys.argv[1:]))
