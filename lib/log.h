/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_LOG_H
#define HOY_LIB_LOG_H

/*
 * One write(2) per line to stderr (a pipe to init): "<prio>role: text key=value\n". Only roles log;
 * libraries return errors. Foreign bytes go through str_escape() first. Lines are cut at 1,000
 * bytes.
 */
enum log_prio {
	LOG_PRIO_ERR = 3,
	LOG_PRIO_WARN = 4,
	LOG_PRIO_NOTICE = 5,
	LOG_PRIO_INFO = 6,
	LOG_PRIO_DEBUG = 7,
};

/* The role's name for all further lines; lines less urgent than max are dropped. */
void log_init(const char *role, enum log_prio max);

void log_line(enum log_prio prio, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)	log_line(LOG_PRIO_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_PRIO_WARN, __VA_ARGS__)
#define log_notice(...) log_line(LOG_PRIO_NOTICE, __VA_ARGS__)
#define log_info(...)	log_line(LOG_PRIO_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_PRIO_DEBUG, __VA_ARGS__)

/* Logs and exits with status 70. Only in a role's start-up, never in PID 1. */
void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* From now on a fault (SIGSEGV, SIGABRT, ...) says what and where it was before it ends the role.
 */
void log_last_words(void);

#endif
