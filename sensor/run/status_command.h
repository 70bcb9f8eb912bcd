/* status_command: `wardwatch status [--socket PATH] [--json]`, for a person (a page) or a program (JSON). */
#ifndef WW_RUN_STATUS_COMMAND_H
#define WW_RUN_STATUS_COMMAND_H

#include "base/bytes.h"

#include <stdio.h>

/* argv[0] is "status". Returns the exit code: 1 when no sensor answers. */
int status_command(int argc, char **argv);

/* The page of two documents of `status`, the second some time after the first. False: they are none. */
bool status_page(struct bytes before, struct bytes now, FILE *out);

#endif
