"""The pure state machines that own every decision: `machine.on(event, at_ns) -> commands`."""
