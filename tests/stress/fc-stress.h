/* The stress of slots: what its processes share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_STRESS_H
#define FC_STRESS_H

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "fc.h"

#define MS 1000000LL
#define SEC 1000000000LL
#define BLOCK 4096u
#define CONSUMERS_MAX 256
#define HOSTILE_MAX 16
#define LEASES 4

typedef struct
{
  char dir[200];
  char slot[FC_NAME_MAX + 1];
  unsigned seconds;
  unsigned kills; /* go on until so many of each kind were killed */
  uint64_t seed;
  uint32_t depth;
  uint32_t consumers;
  uint32_t entries; /* of the consumer table; 0: a few more than consumers */
  uint32_t frame_size;
  uint64_t first_seq;
  unsigned paced;          /* frames/s; 0: as fast as it goes */
  unsigned kill_writer;    /* mean time between two, ms; 0: never */
  unsigned kill_consumers; /* likewise, of all consumers together */
  unsigned stop;           /* likewise, consumers being stopped for a while */
  unsigned renew;          /* likewise, the geometry being changed */
  unsigned stay;  /* mean frames until a consumer leaves and comes back */
  unsigned fds;   /* one consumer of so many attaches by descriptors; 0: none */
  unsigned tmpfs; /* MiB of a file system of its own; 0: none */
  unsigned fill;  /* mean time between two fillings of it, ms */
  unsigned slots; /* so many slots at once, each with all of this */
  unsigned liars; /* hostile processes that the slot trusts: see HOSTILE */
  unsigned lockers;
  unsigned hoarders;
  unsigned strangers; /* hostile processes that may only observe */
} options_t;

typedef enum
{
  WRITER,
  CONSUMER,
  /* hostile, and as another user where the stress is root's: */
  LIAR,    /* stores anything anywhere in the consumer table */
  LOCKER,  /* takes every lock that it can have */
  HOARDER, /* takes every entry and every lease */
  STRANGER /* may observe, and does all that it then can */
} role_t;

/* What is told of a run, of all its slots and processes together. */
typedef enum
{
  WRITTEN,
  CHECKED, /* frames delivered, each of whose blocks was looked at */
  LOST,
  LAPS,
  WRITER_LIVES,
  WRITERS_KILLED,
  CONSUMERS_KILLED,
  CONSUMERS_STOPPED,
  RENEWALS,
  FILLINGS,
  ATTACHED,
  TURNED_AWAY,
  LOST_WRITERS, /* times that a consumer was told so */
  SHORTENED,
  WRITER_DROPPED,
  HOSTILE_LIVES,
  HOSTILE_ACTS, /* stores, locks, entries and leases */
  BROKEN_LEASES,
  CUT_OFF,
  COUNTS_ANEW,
  TORN,
  WRONG, /* order, counts, errors that may not be */
  FIGURES
} figure_t;

typedef struct
{
  _Atomic bool ending;       /* the writer shall finish */
  _Atomic bool finished;     /* it did */
  _Atomic bool closing;      /* the writer shall close */
  _Atomic unsigned renewals; /* asked for */
  _Atomic uint64_t final_head;
  _Atomic uint32_t done[CONSUMERS_MAX]; /* 1: it came to the end */
  _Atomic uint64_t figure[FIGURES];
} shared_t;

extern options_t options;
extern shared_t *shared;

/* fc-stress-slot.c ------------------------------------------------------- */

/* How a consumer ends whose ring was cut short under it. */
#define EXIT_CUT_OFF 3
#define EXIT_SKIP 77

/* Run one slot for its time; whether all was well. */
bool run_slot (uint64_t seed);

/* fc-stress-report.c ----------------------------------------------------- */

void *share (size_t size);
static inline void
count (figure_t figure, uint64_t n)
{
  atomic_fetch_add (&shared->figure[figure], n);
}

/* A fault of libfc: told, and counted. */
void wrong (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
/* Add this slot's figures to the run's. */
void report_slot (void);
void report_print (void);
extern _Atomic uint64_t *totals;

/* fc-stress-payload.c ---------------------------------------------------- */

int64_t now_ns (void);
uint64_t chance (uint64_t *state);
/* True once in so many times, on average; never for 0. */
bool once_in (uint64_t *state, unsigned times);
void sleep_ns (int64_t ns);

/* Fill a frame so that each block tells its seq, its place, the writer's
 * life, and a checksum of itself. */
void payload_fill (void *data, size_t size, uint64_t seq, uint64_t life);
bool payload_whole (const void *data, size_t size, uint64_t seq);

/* fc-stress-space.c ------------------------------------------------------ */

/* Mount a file system of its own on options.dir. */
void make_tmpfs (void);
uint64_t bytes_used (void);
/* Take all the space there is by *FD, or where it is open give it back. */
void fill_space (int *fd);
/* The slot's files, but for its lock. */
unsigned count_files (void);

/* The roles -------------------------------------------------------------- */

fc_writer_options_t writer_options (unsigned variant);
_Noreturn void run_writer (uint64_t seed);
_Noreturn void run_consumer (unsigned number, uint64_t seed);
/* Until it is killed. */
_Noreturn void run_hostile (role_t role, uint64_t seed);

/* Whether somebody whom the slot trusts is hostile. */
static inline bool
is_betrayed (void)
{
  return options.liars + options.lockers + options.hoarders > 0;
}

/* Whether an attaching consumer can find no place. -EUSERS has to name the
 * limit; -EPROTO says that the table's header is damaged. */
bool may_be_turned_away (int error);

#endif /* FC_STRESS_H */
