"""The watcher: queue files and decisions into the registry, and the registry into Postfix's map."""
