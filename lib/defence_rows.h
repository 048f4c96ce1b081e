/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_DEFENCE_ROWS_H
#define HOY_LIB_DEFENCE_ROWS_H

/*
 * The defences of the runtime against the known ways out of a container, one for each class of
 * them; docs/confinement.md says what each class is. tests/ns/run_mutant.py switches off one after
 * the other and demands that the test of that name fails.
 */
enum defence {
	DEFENCE_A1_OWN_FILE,	 /* the program runs from a mount that nobody writes through */
	DEFENCE_A2_HIDDEN,	 /* no process of ours can be traced or read */
	DEFENCE_A3_DIRECTORY,	 /* the working directory is inside of the root */
	DEFENCE_A3_FILES,	 /* no fd but the named ones is handed on */
	DEFENCE_A3_STANDARD,	 /* a closed 0, 1 or 2 becomes no file of the host */
	DEFENCE_A4_TARGET,	 /* a mount's target is resolved inside of the root */
	DEFENCE_A5_NULL,	 /* the null behind masks is the null device */
	DEFENCE_A6_CONSOLE,	 /* the console is no link */
	DEFENCE_A7_KERNELS,	 /* no link leads a mount into /proc or /sys */
	DEFENCE_A8_OWN_PLACES,	 /* /dev, /proc and /sys are directories of the root */
	DEFENCE_A9_MADE,	 /* missing directories are made inside of the root */
	DEFENCE_A10_INHERITABLE, /* no capability is inheritable that nobody asked for */
	DEFENCE_A11_GROUPS,	 /* the control groups are read-only */
	DEFENCE_A12_NUMBERS,	 /* digits are a number, never a name */
	DEFENCE_A13_BOUNDED,	 /* of a root's passwd and group so much and no more is read */
	DEFENCE_A14_NO_PROGRAM,	 /* who walks foreign trees cannot execute */
	DEFENCE_A15_IN_ROOT,	 /* copies stay inside of the root */
	DEFENCE_A16_NAMED,	 /* sockets have a file, and with it an owner */
	DEFENCE_A17_SOURCE,	 /* no link in a mount's source is followed */
	DEFENCE_A18_TEXT,	 /* what others wrote stays text */
	DEFENCE_A19_SYSCTL,	 /* only sysctls of the container's own namespaces */
	DEFENCE_A20_KEYRING,	 /* a session keyring of its own */
	DEFENCE_A21_DEVICES,	 /* a device program before the first process */
	DEFENCE_A22_SESSION,	 /* a session of its own */
	DEFENCE_A23_SAME,	 /* a pid is used for the process that was meant */
	DEFENCE_A24_MASKS,	 /* what tells about the host is masked */
	DEFENCE_A25_USERS,	 /* the container's root is nobody on the host */
	/* of the builder: tests/compat/build_mutant */
	DEFENCE_C3_NETWORK, /* the machine's network has to be allowed */
	DEFENCE_C4_SOURCE,  /* what a RUN mounts is found inside of its stage */
	DEFENCE_C7_OUTSIDE, /* a build asks no address of this machine */
	DEFENCE_COUNT,
};

#endif
