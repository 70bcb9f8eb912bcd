/* devices_command: `wardwatch devices`, what a state file knows. Reads only, also beside a running sensor. */
#ifndef WW_RUN_DEVICES_COMMAND_H
#define WW_RUN_DEVICES_COMMAND_H

/* argv[0] is "devices". Returns the exit code. */
int devices_command(int argc, char **argv);

#endif
