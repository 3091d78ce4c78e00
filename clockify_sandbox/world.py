"""Generates the server's data, identical for identical options and current time."""

from random import Random

from clockify_sandbox.data import Maker, account_of
from clockify_sandbox.data_administration import add_administration
from clockify_sandbox.data_history import add_history
from clockify_sandbox.data_kit import Kit
from clockify_sandbox.data_money import add_money
from clockify_sandbox.data_time_off import add_time_off
from clockify_sandbox.ids import IdMaker
from clockify_sandbox.store import Options, Workspace, World
from clockify_sandbox.texts import USERS


def make_world(options: Options, now: int) -> World:
    """All data: one workspace per plan, the keys and the add-on tokens."""
    rng = Random(f"world {options.seed}")
    world = World(options=options, now=now, rng=rng, ids=IdMaker(rng))
    owner = account_of(world, 0)
    stranger = account_of(world, len(USERS))
    stranger["name"], stranger["email"] = "Sam Stranger", "stranger@example.com"
    for plan in options.plans:
        add_workspace(world, plan)
    member = account_of(world, 1)["id"] if options.users > 1 else None
    for name, user_id in (("owner", owner["id"]), ("member", member), ("stranger", stranger["id"])):
        world.key_names[name] = None
        if user_id is not None:
            key = world.key_names[name] = f"sandbox-{name}-{rng.getrandbits(96):024x}"
            world.keys[key] = user_id
    _add_manager_key(world)
    return world


def _add_manager_key(world: World) -> None:
    """A key of the first active manager, if there is one; it does not affect the other keys."""
    workspaces = world.workspaces.values()
    members = [member for each in workspaces for member in each.members.values()]
    found = next((each.id for each in members if each.is_active and each.is_manager), None)
    world.key_names["manager"] = None
    if found is not None:
        bits = Random(f"manager {world.options.seed}").getrandbits(96)
        key = world.key_names["manager"] = f"sandbox-manager-{bits:024x}"
        world.keys[key] = found


def add_workspace(world: World, plan: str, **sizes: int) -> Workspace:
    """Another workspace; sizes (users, entries, projects, tasks) replace those of the options."""
    index = world.workspaces_made
    world.workspaces_made += 1
    maker = Maker(world, plan, index, sizes)
    workspace = maker.make()
    kit = Kit(workspace, maker.now, maker.zone, maker.seed, maker.deleted_users)
    if kit.members:
        add_money(kit)
        add_time_off(kit)
    add_administration(kit)
    add_history(kit)
    world.workspaces[workspace.id] = workspace
    return workspace
