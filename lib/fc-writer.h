/* The writer's side: generations, their cells, the housekeeper.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_WRITER_H
#define FC_WRITER_H

#include <pthread.h>

#include "fc-mutex.h"
#include "fc-private.h"

#define FC_NO_CELL 0xffffu

/* One life of a slot's files, as its writer has it. What the writer knows of
 * its cells is here and is never read back from shared memory. A cell is in
 * one place: in the map, on the free list, on the retired list, out with the
 * caller, or not allocated. */
typedef struct fc_generation fc_generation_t;
struct fc_generation
{
  /* what each frame needs, on as few lines as it takes */
  uint32_t refs; /* the writer, and each cell out or held */
  uint32_t out;  /* acquired or held */
  uint64_t head;
  uint64_t key_seq; /* newest key frame, or FC_SEQ_NONE */
  uint64_t keys;    /* key frames so far, of this count of seq */
  uint32_t epoch;
  uint32_t sticky;
  uint32_t generation; /* as in the header */
  bool observers;      /* the same */
  bool finished;
  bool starved;   /* the file system was full when the housekeeper asked */
  uint32_t cells; /* allocated */
  uint32_t n_free;
  uint32_t n_retired;
  uint16_t *place;   /* [seq % depth]: the cell of that frame, FC_NO_CELL */
  uint16_t *free;    /* out of the map, and no lease seen since: a stack */
  uint16_t *retired; /* out of the map, perhaps still leased */
  uint64_t *held;    /* bit per cell: upstream still refers to it */
  fc_words_t *words;
  _Atomic uint64_t *map;
  fc_cell_header_t *headers;
  uint8_t *base;
  int64_t clock; /* fc_clock_offset () */
  fc_geometry_t geo;
  fc_table_t table;
  uint64_t *marks; /* bit per cell: scratch of a look at the leases */

  fc_generation_t *next; /* in the list of those replaced */
  int fd;                /* of the ring */
  fc_ring_header_t *header;
  uint32_t format_size; /* bytes; in the header once it is shown */
  uint32_t populated;   /* of the cells, whose pages are there */
  bool locked;          /* byte 0 of the ring, for observers to see */
  bool adopted;         /* carried on in, rather than made */
  bool foreign; /* replaced: another living process may write in its cells */
  uint64_t drained_at; /* replaced: monotonic ns from when it may be cut */
  char path[FC_PATH_MAX];
};

static inline uint8_t *
fc_cell_data (const fc_generation_t *gen, uint32_t cell)
{
  return gen->base + fc_cell_offset (&gen->geo, cell);
}

/* fc-generation.c: all but unref return 0 or an error. */

/* Where a new ring goes on. */
typedef struct
{
  uint64_t lineage; /* 0: a new one */
  uint64_t lineage_first;
  uint64_t first_seq;
  uint32_t generation;
  bool reserved;
} fc_ancestry_t;

/* Make the files, complete but for the ring's name and their modes, with the
 * locks that say that its writer lives. */
int fc_generation_create (fc_generation_t **result, const fc_dir_t *dir,
                          const char *slot, const fc_writer_options_t *options,
                          const fc_ancestry_t *from);
/* For observers, who see no other lock than the one on the ring: now and then,
 * where that could not be had. */
void fc_generation_show_life (fc_generation_t *gen);
/* Open them to others, and give it its name: the commit point. */
int fc_generation_publish (fc_generation_t *gen, const fc_dir_t *dir,
                           const char *slot);
/* Map RING only to retire it. */
int fc_generation_inherit (fc_generation_t **result, const fc_ring_file_t *ring,
                           const fc_dir_t *dir, const char *slot);
/* Let it count from SEQ; before it is published. */
void fc_generation_go_on_from (fc_generation_t *gen,
                               const fc_generation_t *old);
void fc_generation_copy_sticky (fc_generation_t *gen,
                                const fc_generation_t *from);
void fc_generation_write_sticky (fc_generation_t *gen, const void *data,
                                 size_t size);
uint64_t fc_generation_shortened (const fc_generation_t *gen);
uint64_t fc_generation_dropped (const fc_generation_t *gen);
void fc_generation_set_state (fc_generation_t *gen, fc_state_t state);
void fc_generation_set_live (fc_generation_t *gen, uint64_t latency_ns);
/* Give up the history of a replaced ring and, unless cells of it are out or
 * held (IN_USE), the memory behind its last leased cell; true when nothing of
 * it is held any more. */
bool fc_generation_cut (fc_generation_t *gen, bool in_use);
/* Drop one reference; the last one unmaps and closes. */
void fc_generation_unref (fc_generation_t *gen);
/* The same for one that was never published: its files go too. */
void fc_generation_discard (fc_generation_t *gen, const fc_dir_t *dir,
                            const char *slot);
/* Take the names of its files away, if they are still its own. */
void fc_generation_unlink (fc_generation_t *gen, const fc_dir_t *dir,
                           const char *slot);

/* fc-adopt.c */

/* Carry on in RING where it agrees with OPTIONS: 1, 0 where it does not, or an
 * error that says nothing about it. */
int fc_generation_adopt (fc_generation_t **result, const fc_ring_file_t *ring,
                         const fc_dir_t *dir, const char *slot,
                         const fc_writer_options_t *options);

/* Let readers see the format that an adopted, reserved ring got. */
void fc_generation_show_format (fc_generation_t *gen);

/* fc-cells.c: the caller has the writer's mutex. */

/* A cell that is neither in the map, nor out, nor leased, or -EAGAIN. */
int fc_cells_get (fc_generation_t *gen);
void fc_cells_put (fc_generation_t *gen, uint32_t cell);
/* Publish a filled cell; sets FRAME->seq and the like. */
void fc_cells_publish (fc_generation_t *gen, uint32_t cell, fc_frame_t *frame);
/* Move what is no longer leased from the retired to the free list. */
void fc_cells_collect (fc_generation_t *gen);
bool fc_cells_low (const fc_generation_t *gen);
/* Reserve the bytes of the next cell, without the mutex or with it; then put
 * it to use. */
int fc_cells_reserve (fc_generation_t *gen, uint32_t cell);
void fc_cells_add (fc_generation_t *gen);

/* fc-housekeeper.c */

enum
{
  FC_WORK_WAKE = 1,    /* many consumers wait */
  FC_WORK_OBSERVE = 2, /* observers may sleep */
  FC_WORK_SPARE = 4,   /* spare cells run low */
  FC_WORK_STOP = 8
};

struct fc_writer
{
  fc_mutex_t mutex; /* guards what follows, and gen's cells */
  uint32_t refs;    /* the handle, and each cell out or held */
  bool removed;     /* somebody took the slot away */
  bool suspended;   /* gen was given up, and nothing is in its place yet */
  bool closed;
  fc_generation_t *gen;      /* that is shown; NULL until the first is */
  fc_generation_t *prepared; /* to be shown, or NULL */
  uint64_t frames;
  uint64_t bytes;
  uint32_t *mark;             /* fc_mark_new () */
  fc_generation_t *inherited; /* by another writer; the first one shown goes
                                 into its place */
  uint64_t copied;
  uint64_t shortened; /* by generations before gen */
  uint64_t dropped;

  pthread_mutex_t renewing; /* one generation at a time; taken first. Whoever
                               changes gen, prepared or inherited has both */
  pthread_mutex_t keeping;  /* guards replaced; taken before mutex */
  fc_generation_t *replaced;

  char slot[FC_NAME_MAX + 1];
  fc_dir_t dir;
  int lock_fd;
  _Atomic uint64_t latency_ns;
  fc_log_t log;

  pthread_t thread;
  bool running;
  _Atomic uint32_t work; /* FC_WORK_*; the housekeeper sleeps on it */
};

/* fc-writer.c */
int fc_say_removed (const fc_writer_t *writer);
/* Somebody else has SLOT's lock: -EBUSY, and who. REMEDY is what to do beside
 * stopping that one. */
int fc_say_busy (const fc_dir_t *dir, const char *slot, const char *remedy);
/* When the last reference is gone. */
void fc_writer_free (fc_writer_t *writer);

/* fc-renew.c */

/* The first ring, and the housekeeper; shown, unless OPTIONS say prepare. */
int fc_writer_begin (fc_writer_t *writer, fc_writer_options_t *options);
/* Show GEN if it is what is prepared. */
int fc_writer_show_prepared (fc_writer_t *writer, const fc_generation_t *gen);
void fc_writer_drop_prepared (fc_writer_t *writer);

int fc_housekeeper_start (fc_writer_t *writer);
void fc_housekeeper_stop (fc_writer_t *writer);
/* Have WORK done; costs a system call only when nothing was asked before. */
void fc_housekeeper_ask (fc_writer_t *writer, uint32_t work);
/* Retire GEN: the newest replaced generation may be drained for a while,
 * older ones are cut at once, so that their number is bounded. */
void fc_housekeeper_replace (fc_writer_t *writer, fc_generation_t *gen,
                             uint64_t drain_ns);

#endif /* FC_WRITER_H */
