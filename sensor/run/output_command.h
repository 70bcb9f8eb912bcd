/* output_command: `wardwatch output test -c FILE`: one marked alert to Redis and to syslog as the
 * configuration has them, and what they said. */
#ifndef WW_RUN_OUTPUT_COMMAND_H
#define WW_RUN_OUTPUT_COMMAND_H

/* argv[0] is "output". Returns the exit code: 1 when one did not take it. */
int output_command(int argc, char **argv);

#endif
