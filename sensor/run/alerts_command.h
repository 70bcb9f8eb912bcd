/* alerts_command: `wardwatch alerts`, what was sent to a SIEM and what waits. Reads only, also beside a
 * running sensor. */
#ifndef WW_RUN_ALERTS_COMMAND_H
#define WW_RUN_ALERTS_COMMAND_H

/* argv[0] is "alerts". Returns the exit code. */
int alerts_command(int argc, char **argv);

#endif
