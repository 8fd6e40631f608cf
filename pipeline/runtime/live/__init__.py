"""The live driver: player, vehicle, link relay, cloud and consumer, each a process, over ZeroMQ."""
