/* The bytes in shared memory: the only file that knows them.
 * docs/ring-format.md describes them for readers in other languages; a change
 * here is a change of the protocol (FC_LAYOUT_VERSION, tests/model,
 * docs/memory-model.md).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_LAYOUT_H
#define FC_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "fc.h"

#define FC_LAYOUT_VERSION 3u
#define FC_RING_MAGIC "fcRING\r\n"
#define FC_TABLE_MAGIC "fcTABLE\n"
#define FC_BYTE_ORDER 0x01020304u

/* Two lines of 64 bytes: neighbouring lines are fetched together. */
#define FC_LINE 128u
#define FC_ALIGN(value, to) (((value) + (to) -1) / (to) * (to))

/* cam0.ring ------------------------------------------------------------ */

/* At offset 0. Written before the file gets its name, and never again, but
 * for format_size of a reserved slot (0 until its first writer). */
typedef struct
{
  uint8_t magic[8];
  uint32_t layout_version;
  uint32_t header_size; /* sizeof of this struct */
  uint32_t byte_order;  /* FC_BYTE_ORDER as the writer's machine stores it */
  uint32_t page_size;   /* bytes */
  uint32_t spare[2];    /* 0 */
  uint64_t id;          /* random; names the consumer table */
  uint64_t lineage;     /* id of the ring in which this count of seq began */
  uint64_t frame_size;  /* bytes of the largest frame */
  uint64_t cell_stride; /* bytes from cell to cell, a multiple of the page */
  uint32_t ring_depth;
  uint32_t cells_planned;
  uint32_t max_consumers;
  uint32_t leases;
  uint32_t writer_cells;
  uint32_t access;
  uint32_t trust;
  uint32_t observers;
  uint32_t reserved;
  uint32_t generation;
  uint64_t first_seq;
  uint64_t created_ns;          /* monotonic */
  uint64_t created_wall_ns;     /* wall */
  uint64_t words_offset;        /* fc_words_t */
  uint64_t map_offset;          /* uint64_t[ring_depth] */
  uint64_t sticky_offset;       /* fc_sticky_t[2] */
  uint64_t headers_offset;      /* fc_cell_header_t[cells_planned] */
  uint64_t format_offset;       /* bytes */
  uint64_t cells_offset;        /* page-aligned */
  uint64_t format_capacity;     /* bytes */
  uint64_t first_keys;          /* key frames of this count before first_seq */
  uint64_t lineage_first;       /* where this count of seq began */
  _Atomic uint64_t format_size; /* bytes, the last thing to be written */
} fc_ring_header_t;

/* The words that the writer alone stores, each group on lines of its own. */
typedef struct
{
  /* frames committed: the next frame's seq */
  _Alignas(FC_LINE) _Atomic uint64_t head;
  /* grows with each event that observers sleep for; a futex word */
  _Alignas(FC_LINE) _Atomic uint32_t wake;
  _Alignas(FC_LINE) _Atomic uint32_t state; /* fc_state_t */
  _Atomic uint32_t epoch;  /* lives of a writer on this ring, from 1 */
  _Atomic uint32_t sticky; /* serial of the newest sticky block */
  _Alignas(FC_LINE) _Atomic uint32_t cells; /* allocated; for display */
  _Atomic uint32_t cells_out;               /* acquired or held; display */
  _Atomic uint32_t pid;                     /* for display */
  _Atomic uint32_t uid;                     /* for display */
  _Atomic uint64_t latency_ns;
  _Atomic uint64_t beat_ns; /* 0: the lock on the ring tells that its writer
                               lives; else when it last did, monotonic */
  _Alignas(FC_LINE) _Atomic uint64_t bytes; /* committed */
  _Atomic uint64_t shortened; /* places given up because memory was out */
  _Atomic uint64_t dropped;   /* frames that the writer itself dropped */
} fc_words_t;

/* map[seq % depth]: low 48 bits of seq, then the cell; or FC_MAP_NONE. Cells
 * number at most 65535, so that no frame's word is FC_MAP_NONE. */
#define FC_MAP_NONE UINT64_MAX
#define FC_MAP_SEQ_MASK ((UINT64_C (1) << 48) - 1)
#define FC_MAP_WORD(seq, cell) ((uint64_t) (seq) << 16 | (uint64_t) (cell))
#define FC_MAP_IS(word, seq)                                                   \
  ((word) != FC_MAP_NONE && (word) >> 16 == ((seq) &FC_MAP_SEQ_MASK))
#define FC_MAP_CELL(word) ((uint32_t) ((word) &0xffff))

/* A sticky block: place[serial % 2], copied as words. */
typedef struct
{
  _Atomic uint64_t size; /* bytes */
  _Atomic uint64_t word[FC_STICKY_MAX / 8];
} fc_sticky_t;

/* Everything but seq is plain memory that the lease guards, as the payload. */
typedef struct
{
  _Atomic uint64_t seq; /* FC_SEQ_NONE while the cell is being written */
  uint64_t size;        /* bytes */
  uint32_t flags;
  uint32_t epoch;
  uint32_t sticky;
  uint32_t meta_size; /* bytes, at fc_geometry_t.meta_offset in the cell */
  uint64_t key_seq;
  uint64_t user_flags;
  uint64_t pts;
  uint64_t dts;
  uint64_t duration;
  uint64_t running_time;
  uint64_t offset;
  uint64_t offset_end;
  uint64_t capture_ns;
  uint64_t commit_ns;
  uint64_t wall_ns;
  uint64_t keys; /* key frames of this count of seq, up to this frame */
} fc_cell_header_t;

/* .cam0.ID.consumers ---------------------------------------------------- */

/* At offset 0, then the attached bits, then the entries. */
typedef struct
{
  uint8_t magic[8];
  uint32_t layout_version;
  uint32_t header_size;
  uint64_t id; /* of the ring */
  uint32_t entries;
  uint32_t leases;
  uint32_t entry_stride;
  uint32_t entries_offset;
} fc_table_header_t;

#define FC_ATTACHED_OFFSET FC_LINE /* uint64_t[(entries + 63) / 64] */
#define FC_CONSUMER_NAME 32

/* An entry: the bit `attached` says whether it is in use, the lock on byte i
 * of the file whose it is. */
typedef struct
{
  /* 1: wake when a frame comes; a futex word */
  _Alignas(FC_LINE) _Atomic uint32_t waiting;
  _Atomic uint32_t request; /* 1: a key frame is wanted */
  /* for display */
  _Alignas(FC_LINE) _Atomic uint32_t pid;
  _Atomic uint32_t uid;
  _Atomic uint64_t cursor;
  _Atomic uint64_t delivered;
  _Atomic uint64_t dropped;
  _Atomic uint64_t attached_wall_ns;
  _Atomic uint64_t name[FC_CONSUMER_NAME / 8];
  /* cell + 1, or 0; as many as the ring's leases, the last kept for copies */
  _Alignas(FC_LINE) _Atomic uint32_t lease[];
} fc_entry_t;

/* Bytes of the consumer table that are locks: byte i < entries is entry i's
 * owner; then the writer's life; then a mapping into which an upstream of a
 * closed writer may still be writing. */
#define FC_LOCK_WRITER(entries) (entries)
#define FC_LOCK_CELLS_OUT(entries) ((entries) + 1)

/* Frozen: offsets and sizes ---------------------------------------------- */

#define FC_AT(type, field, offset)                                             \
  _Static_assert(offsetof (type, field) == (offset), #type "." #field)

_Static_assert(sizeof (fc_ring_header_t) == 208, "fc_ring_header_t");
FC_AT (fc_ring_header_t, byte_order, 16);
FC_AT (fc_ring_header_t, id, 32);
FC_AT (fc_ring_header_t, frame_size, 48);
FC_AT (fc_ring_header_t, ring_depth, 64);
FC_AT (fc_ring_header_t, generation, 100);
FC_AT (fc_ring_header_t, first_seq, 104);
FC_AT (fc_ring_header_t, words_offset, 128);
FC_AT (fc_ring_header_t, cells_offset, 168);
FC_AT (fc_ring_header_t, first_keys, 184);
FC_AT (fc_ring_header_t, lineage_first, 192);
FC_AT (fc_ring_header_t, format_size, 200);
_Static_assert(sizeof (fc_words_t) == 5 * FC_LINE, "fc_words_t");
FC_AT (fc_words_t, wake, FC_LINE);
FC_AT (fc_words_t, state, 2 * FC_LINE);
FC_AT (fc_words_t, epoch, 2 * FC_LINE + 4);
FC_AT (fc_words_t, sticky, 2 * FC_LINE + 8);
FC_AT (fc_words_t, cells, 3 * FC_LINE);
FC_AT (fc_words_t, latency_ns, 3 * FC_LINE + 16);
FC_AT (fc_words_t, beat_ns, 3 * FC_LINE + 24);
FC_AT (fc_words_t, bytes, 4 * FC_LINE);
_Static_assert(sizeof (fc_sticky_t) == 8 + FC_STICKY_MAX, "fc_sticky_t");
_Static_assert(sizeof (fc_cell_header_t) == 128, "fc_cell_header_t");
FC_AT (fc_cell_header_t, flags, 16);
FC_AT (fc_cell_header_t, key_seq, 32);
FC_AT (fc_cell_header_t, capture_ns, 96);
FC_AT (fc_cell_header_t, keys, 120);
_Static_assert(sizeof (fc_table_header_t) == 40, "fc_table_header_t");
_Static_assert(sizeof (fc_entry_t) == 2 * FC_LINE, "fc_entry_t");
FC_AT (fc_entry_t, request, 4);
FC_AT (fc_entry_t, pid, FC_LINE);
FC_AT (fc_entry_t, lease, 2 * FC_LINE);
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "shared words must be lock-free");

/* Sizes that follow from a ring's numbers; fc-geometry.c works them out. */
typedef struct
{
  uint64_t frame_size;
  uint64_t cell_stride;
  uint64_t meta_offset; /* in a cell */
  uint32_t ring_depth;
  uint32_t cells_planned;
  uint32_t cells_initial;
  uint32_t max_consumers;
  uint32_t leases;
  uint32_t writer_cells;
  uint64_t format_capacity;
  uint64_t words_offset;
  uint64_t map_offset;
  uint64_t sticky_offset;
  uint64_t headers_offset;
  uint64_t format_offset;
  uint64_t cells_offset;
  uint64_t ring_initial; /* bytes of the file when made */
  uint64_t ring_planned; /* and at the most */
  uint32_t entry_stride;
  uint32_t entries_offset;
  uint64_t table_size; /* bytes of the consumer table */
} fc_geometry_t;

static inline uint64_t
fc_cell_offset (const fc_geometry_t *geo, uint32_t cell)
{
  return geo->cells_offset + (uint64_t) cell * geo->cell_stride;
}

#endif /* FC_LAYOUT_H */
