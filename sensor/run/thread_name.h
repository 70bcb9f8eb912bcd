/*
 * thread_name: what `ps -L` and `top -H` call the calling thread.
 *
 * The main thread, which live is the hub, keeps the program's name: the process is found by it.
 */
#ifndef WW_RUN_THREAD_NAME_H
#define WW_RUN_THREAD_NAME_H

/* "ww-ship"; with a number that is not 0 "ww-work-1": 15 bytes at most. Any thread, before its jail. */
void thread_name(const char *name, unsigned number);

#endif
