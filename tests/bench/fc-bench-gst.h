/* The GStreamer bench: one source and one sink program for every transport.
 *
 * The bench starts a writer and consumers, processes of their own that are this
 * program again, and they share one piece of memory: what to do is in it, and
 * what was seen. Frames go by the transport alone, whose elements' names and
 * necessary properties are all that differs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_BENCH_GST_H
#define FC_BENCH_GST_H

#include <gst/gst.h>
#include <semaphore.h>

#include "fc-bench.h"

#define MAX_CONSUMERS 64
#define MAX_SAMPLES (1u << 16)
#define NO_SEQ UINT64_MAX

/* The pace outside windows, in frames per second. */
#define IDLE_RATE 200

/* What a transport is to GStreamer; DIR stands for the bench's own folder. */
typedef struct
{
  const char *name;
  const char *sink, *src; /* with what they need; no src: no consumer */
  const char *needs;      /* an element */
  bool no_pool;           /* its allocator would wait for what a pool has */
  bool own_only;          /* it takes memory of its own allocator only */
  bool needs_caps;        /* it carries none */
} transport_t;

extern const transport_t transports[];
const transport_t *find_transport (const char *name);

/* What a run is made of. */
typedef struct
{
  char transport[16];
  char dir[64];
  unsigned width, height; /* 0: audio */
  uint64_t size;          /* of a frame, in bytes */
  unsigned consumers;
  unsigned depth;  /* of fcsink's ring, in frames; 0: what it makes it */
  bool own_memory; /* the source takes no pool of others */
  bool fill;       /* the source writes each frame whole */
  bool read;       /* a consumer reads each frame whole */
  bool in_place;   /* and as much of its own memory, in turns */
  unsigned bares;  /* processes that bare semaphores wake, in turns */
  bool memcpy_too; /* blocks of frames and of memcpy, in turns */
} config_t;

/* What one consumer saw; its process alone writes it, but for the reset. */
typedef struct
{
  _Alignas(128) _Atomic uint64_t received; /* since its start */
  _Atomic uint64_t last_seq;
  _Atomic uint64_t in_window;
  _Atomic uint64_t disorder;
  _Atomic int64_t first_frame; /* when it came, in ns */
  _Atomic int64_t in_place;    /* processor time of reading its own memory */
  _Atomic uint64_t sum;
  sem_t bare; /* what the floor's process waits for */
  _Atomic bool bare_ready;
} consumer_t;

/* One window is FRAMES frames at RATE, begun at the source's next frame. */
typedef struct
{
  config_t config;
  sem_t quit[MAX_CONSUMERS + 1];
  _Atomic bool leave;
  _Atomic bool broken; /* a pipeline failed */
  /* Of the bench. */
  uint64_t frames;
  double rate; /* 0: unpaced */
  _Atomic unsigned ordered;
  /* Of the writer. */
  _Atomic bool negotiated;
  _Atomic unsigned done; /* the last window that was */
  _Atomic uint64_t sent;
  _Atomic uint64_t first; /* the window's first frame */
  _Atomic int64_t took;   /* the frames of the window took so long, in ns */
  _Atomic int64_t memcpy_took;
  _Atomic int64_t first_push; /* when the first frame had gone, in ns */
  consumer_t consumer[MAX_CONSUMERS];
  /* By consumer and frame: stamp to chain, and post to wake-up, in ns. */
  int64_t latency[MAX_CONSUMERS][MAX_SAMPLES];
  int64_t bare_sent[MAX_SAMPLES];
  int64_t bare[MAX_CONSUMERS][MAX_SAMPLES];
} shared_t;

extern shared_t *shared;

/* What is at the start of each frame. */
typedef struct
{
  uint64_t seq;
  int64_t sent;
} stamp_t;

/* A role is a process of this program. */
void be_writer (unsigned index);
void be_consumer (unsigned index);
void be_bare (unsigned index);

/* For roles: a pipeline that runs until the bench says that it is to end. */
void run_pipeline (const char *launch, unsigned quit);
void map_shared (int fd);
char *frame_caps (const config_t *config);
char *in_folder (const char *launch, const char *dir);

/* fc-bench-gst-run.c: a writer, its consumers, and windows. Those that return
 * false have waited in vain, said so, and the run is to be ended.
 */
void start_run (const config_t *config);
bool start_writer (void);
void start_consumer (unsigned index);
void start_bare (unsigned index);
bool await_frames (uint64_t frames);
bool run_window (double rate, uint64_t frames);
void end_run (void);
uint64_t lost_frames (void);
int64_t cpu_of_all (void);
int64_t cpu_of_consumers (void);
uint64_t bytes_of_all (void);
/* When the process that was started last was, in ns. */
extern int64_t started_at;

/* What the command line says. */
typedef struct
{
  config_t config;
  double rate;
  double seconds;
  unsigned times;
  bool json;
} options_t;

extern options_t options;

/* fc-bench-gst-measures.c: each returns whether it came to a figure. */
typedef struct
{
  const char *name;
  bool (*measure) (void);
  const char *what;
} measure_t;

extern const measure_t measures[];

/* fc-bench-gst-print.c: rows of a table, or JSON a line. */
void row_begin (const char *measure, const char *what);
void row_add (const char *key, double value);
void row_end (void);
void print_rows (void);

#endif /* FC_BENCH_GST_H */
