/* jail_impl: the parts of jail_process that are files of their own. */
#ifndef WW_RUN_JAIL_IMPL_H
#define WW_RUN_JAIL_IMPL_H

#include "run/jail.h"

#define JAIL_SAY(d, level, ...) diag_add(d, DIAG_##level, "-", 0, 0, "", __VA_ARGS__)

/* jail_files.c: Landlock for files, TCP, signals and abstract sockets, as far as the kernel has it. */
bool jail_files(const struct jail *j, struct diag *d);
/* jail_calls.c: what no thread may call. */
bool jail_calls(const struct jail *j, struct diag *d);

#endif
