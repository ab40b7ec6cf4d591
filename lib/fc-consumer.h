/* The consumer's side: attachments, waiting, reading.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_CONSUMER_H
#define FC_CONSUMER_H

#include "fc-private.h"

/* One ring as a consumer has it: an entry in its table and a read-only
 * mapping, or, for an observer, its descriptor alone. Lives until the
 * consumer has left it and the last lease on it is back. */
typedef struct
{
  /* what each frame needs, on as few lines as it takes */
  _Atomic uint32_t refs;
  bool observing;
  uint32_t generation;     /* as in the header */
  const fc_words_t *words; /* never dereferenced by an observer, which
                              has them mapped for FUTEX_WAIT alone */
  const _Atomic uint64_t *map;
  const fc_cell_header_t *headers;
  const uint8_t *base; /* NULL for an observer */
  fc_entry_t *entry;
  _Atomic uint8_t *busy; /* [leases]: the lease is in use */
  int64_t clock;         /* fc_clock_offset () */
  uint64_t size;         /* of the file, as far as known */
  fc_geometry_t geo;

  int fd;
  fc_ring_header_t header; /* as it was when opened, checked */
  uint64_t allocated;      /* bytes that an observer knows its file to take */
  fc_table_t table;
  uint32_t entry_number;
  char *format; /* fc_consumer_format (); NULL before it was asked for */
  char path[FC_PATH_MAX];
} fc_attachment_t;

struct fc_consumer
{
  _Atomic uint32_t refs; /* the handle, and each lease */
  _Atomic (fc_attachment_t *) att;
  _Atomic uint32_t leases_out;
  uint32_t *mark;               /* fc_mark_new () */
  _Atomic uint32_t interrupted; /* a futex word too */
  _Atomic uint32_t interrupters;

  uint64_t lineage; /* of the count that cursor is in; 0: none yet */
  uint64_t cursor;
  uint64_t first;
  uint64_t delivered;
  uint64_t dropped;
  uint64_t laps;
  uint64_t total_delivered;
  uint64_t total_dropped;
  uint64_t unreported; /* dropped since the last frame that was delivered */
  uint64_t keys;       /* key frames before cursor, but for those that were
                          dropped unseen; UINT64_MAX: not known */
  uint64_t dropped_keys;
  uint32_t epoch; /* of that frame; 0: none yet */
  uint32_t generation;
  uint64_t alive_at; /* when the writer was last seen alive, or looked for */
  uint64_t frame_at; /* when a wait first followed a delivered frame, */
  uint64_t alive_delivered; /* the one that made delivered this */

  int event_fd; /* readable while interrupted */

  char slot[FC_NAME_MAX + 1];
  char *dir; /* NULL: the usual ones */
  char name[FC_CONSUMER_NAME];
  fc_consumer_options_t options;
  fc_log_t log;
  uint8_t *buffer;
  size_t buffer_size;
  uint8_t meta[FC_META_MAX];
};

/* fc-attach.c ------------------------------------------------------------ */

/* Look for the slot once. Returns 0 with a new attachment in *ATT; 1 where
 * the slot is the one attached already and has or may get frames; -ENOENT. */
int fc_attach_once (fc_consumer_t *c, fc_attachment_t **att);
/* The same with descriptors. */
int fc_attach_fds (fc_consumer_t *c, int ring_fd, int table_fd,
                   fc_attachment_t **att);
void fc_attachment_unref (fc_attachment_t *att);
/* Drop the handle's or a lease's reference. */
void fc_consumer_unref (fc_consumer_t *c);

/* fc-wait.c --------------------------------------------------------------- */

/* Wait until something may have changed for a reader at C->cursor, or UNTIL.
 * Returns 0, FC_TIMEOUT, FC_INTERRUPTED, FC_WRITER_LOST, FC_REPLACED. */
int fc_consumer_wait (fc_consumer_t *c, uint64_t until);
/* FC_INTERRUPTED, FC_TIMEOUT when UNTIL has come, or 0. */
int fc_consumer_may_go_on (const fc_consumer_t *c, uint64_t until);
/* Wait for a change in the slot's directories, or until UNTIL. */
int fc_wait_for_slot (fc_consumer_t *c, int *inotify_fd, uint64_t until);

/* fc-load.c ---------------------------------------------------------------- */

/* The words of a ring, loaded from the mapping or, by an observer, read.
 * Return 0 or an error. */
int fc_load_state (const fc_attachment_t *att, uint32_t *state);
int fc_load_head (const fc_attachment_t *att, uint64_t *head);
int fc_load_wake (const fc_attachment_t *att, uint32_t *wake);
int fc_load_map (const fc_attachment_t *att, uint64_t seq, uint64_t *word);
int fc_load_latency (const fc_attachment_t *att, uint64_t *latency_ns);
/* Whether the writer lives, as far as who only reads the ring can tell. */
bool fc_ring_lives (const fc_attachment_t *att);
/* A word of the sticky block, from the mapping. */
uint64_t fc_load_word (const fc_attachment_t *att, uint64_t offset);
int fc_load_serial (const fc_attachment_t *att, uint32_t *serial);
/* How long the format is, always by reading: 0 where a reserved slot has none
 * yet. */
int fc_load_format_size (const fc_attachment_t *att, uint64_t *size);

/* fc-frame.c --------------------------------------------------------------- */

/* -EPROTO, with WHAT is wrong with the ring. */
int fc_say_damaged (const fc_attachment_t *att, const char *what);
_Atomic uint32_t *fc_lease_word (const fc_attachment_t *att, uint32_t k);
/* Hold the cell of frame SEQ, whose word in the map was WORD, with lease K:
 * 0, 1 where it is gone, or an error. */
int fc_claim (fc_attachment_t *att, uint64_t seq, uint64_t word, uint32_t k);
void fc_end_lease (const fc_attachment_t *att, uint32_t k);
/* The header of frame SEQ, for a look: 0, 1 where it is gone, or an error. */
int fc_look_at (fc_consumer_t *c, uint64_t seq, fc_cell_header_t *header);
int fc_fill_frame (const fc_attachment_t *att, const fc_cell_header_t *header,
                   fc_frame_t *frame);
/* Where a copy of SIZE bytes goes; NULL with -ENOMEM or -EMSGSIZE in *ERROR.
 */
void *fc_copy_target (fc_consumer_t *c, fc_frame_t *frame, size_t size,
                      int *error);

/* fc-observer.c ------------------------------------------------------------ */

/* An observer's look at CELL's header, if it is frame SEQ's: 0 with a whole
 * one, 1 where the frame is gone, or an error. */
int fc_observer_look (const fc_attachment_t *att, uint32_t cell, uint64_t seq,
                      fc_cell_header_t *header);
/* An observer's copy: 0, 1 where the frame is gone, or an error. */
int fc_observer_copy (fc_consumer_t *c, uint64_t word, fc_frame_t *frame);

/* fc-seek.c --------------------------------------------------------------- */

/* The oldest seq still in the history; HEAD where there is none. */
int fc_oldest (const fc_attachment_t *att, uint64_t head, uint64_t *oldest);
/* Where POSITION is: 0, -ENOENT, or an error. */
int fc_find_position (fc_consumer_t *c, const fc_position_t *position,
                      uint64_t *seq);
/* The count of key frames before SEQ; UINT64_MAX where nothing is left that
 * tells. */
uint64_t fc_keys_before (fc_consumer_t *c, uint64_t seq);
/* Where a consumer that was lapped goes on, by options.on_lap. */
int fc_find_lap (fc_consumer_t *c, uint64_t head, uint64_t *seq);

#endif /* FC_CONSUMER_H */
