"""What is wrong with a configuration, in words: which override, or which line of which file, and what would fit.

In come the command line, the YAML files and what Hydra raised; out go a line or a few, without Hydra's own words. A
room for what goes wrong: a command that is right passes through `command_line` and `misread` alone.

To read: `command_line`, options and overrides as people type them; `files`, where the YAML files lie, and on which line
a key stands; `faults`, what is wrong with a file by itself; `values`, what OmegaConf could not put in a key's place;
`misread`, what YAML reads otherwise than it looks; `choices`, what Hydra says of groups and sweeps; `composing`, which
of all this it was that could not be composed; `origin`, what a configuration was composed of, for what is found wrong
in it later.
"""
