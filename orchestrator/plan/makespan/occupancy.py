"""Which devices of a pool are free while a schedule is simulated."""

from orchestrator.plan.makespan.capacity import Pool


class Occupancy:
    """The free devices of one pool, node by node.

    A job that fills a node or more gets whole nodes. A smaller one goes to the fullest node that
    still has room, so that whole nodes stay free for the wide. Taking and giving back cost the
    same whatever the number of nodes.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._free = [pool.devices_per_node] * pool.nodes
        # Node numbers by free devices; dictionaries are sets that remember an order.
        self._nodes = [dict[int, None]() for _ in range(pool.devices_per_node + 1)]
        self._nodes[-1] = dict.fromkeys(reversed(range(pool.nodes)))

    def take(self, devices: int) -> tuple[int, ...] | None:
        """Hold devices; return the numbers of their nodes, or None if there is no room now."""
        per_node = self._pool.devices_per_node
        if devices >= per_node:
            count = self._pool.nodes_of(devices)
            if len(self._nodes[per_node]) < count:
                return None
            return tuple(sorted(self._take_from(per_node, per_node) for _ in range(count)))
        for free in range(devices, per_node + 1):
            if self._nodes[free]:
                return (self._take_from(free, devices),)
        return None

    def give_back(self, devices: int, nodes: tuple[int, ...]) -> None:
        """Free what `take` held."""
        each = min(devices, self._pool.devices_per_node)
        for node in nodes:
            self._move(node, self._free[node] + each)

    def _take_from(self, free: int, devices: int) -> int:
        """Take devices of the node that came last among those with `free` free ones."""
        node = next(reversed(self._nodes[free]))
        self._move(node, free - devices)
        return node

    def _move(self, node: int, free: int) -> None:
        del self._nodes[self._free[node]][node]
        self._free[node] = free
        self._nodes[free][node] = None
