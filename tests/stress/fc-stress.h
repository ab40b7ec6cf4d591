/* The stress of one slot: what its processes share.
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

typedef struct
{
  char dir[200];
  char slot[FC_NAME_MAX + 1];
  unsigned seconds;
  unsigned kills; /* go on until so many of each kind were killed */
  uint64_t seed;
  uint32_t depth;
  uint32_t consumers;
  uint32_t frame_size;
  uint64_t first_seq;
  unsigned paced;          /* frames/s; 0: as fast as it goes */
  unsigned kill_writer;    /* mean time between two, ms; 0: never */
  unsigned kill_consumers; /* likewise, of all consumers together */
  unsigned stop;           /* likewise, consumers being stopped for a while */
  unsigned renew;          /* likewise, the geometry being changed */
  unsigned tmpfs;          /* MiB of a file system of its own; 0: none */
  unsigned fill;           /* mean time between two fillings of it, ms */
  unsigned slots;          /* so many slots at once, each with all of this */
  bool quiet;
} options_t;

/* What a consumer tells; a restarted one begins with zeroes. It stores after
 * each frame, so that the last word of a killed one is good but old. */
typedef struct
{
  _Atomic uint64_t delivered;
  _Atomic uint64_t dropped;
  _Atomic uint64_t laps;
  _Atomic uint64_t lost_writers;
  _Atomic uint64_t generations;
  _Atomic uint64_t cursor;
  _Atomic uint32_t done; /* 1: it took everything and all counts agree */
} report_t;

typedef struct
{
  _Atomic bool ending;       /* the writer shall finish */
  _Atomic bool finished;     /* it did */
  _Atomic bool closing;      /* the writer shall close */
  _Atomic unsigned renewals; /* asked for */
  _Atomic uint64_t final_head;
  _Atomic uint64_t lives; /* of writers */
  _Atomic uint64_t renewed;
  _Atomic uint64_t shortened; /* over all lives, as last told */
  _Atomic uint64_t writer_dropped;
  _Atomic uint64_t torn;
  _Atomic uint64_t wrong; /* order, counts, errors that may not be */
  report_t report[CONSUMERS_MAX];
} shared_t;

extern options_t options;
extern shared_t *shared;

int64_t now_ns (void);
uint64_t chance (uint64_t *state);
void sleep_ns (int64_t ns);
/* A fault of libfc: told, and counted in shared->wrong. */
void wrong (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* Fill a frame so that each block tells its seq, its place, the writer's
 * life, and a checksum of itself. */
void payload_fill (void *data, size_t size, uint64_t seq, uint64_t life);
bool payload_whole (const void *data, size_t size, uint64_t seq);

fc_writer_options_t writer_options (unsigned variant);
_Noreturn void run_writer (uint64_t seed);
_Noreturn void run_consumer (unsigned number, uint64_t seed);

#endif /* FC_STRESS_H */
