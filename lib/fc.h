/* framecache: shared-memory frame rings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One process writes a slot (a named ring of frames), any number of others
 * read it. The writer never waits for a consumer; a consumer gets whole
 * frames and the exact number of those that it missed. Linux only.
 *
 * Conventions
 * -----------
 * Returns: 0 or positive is success, negative is -errno; the names below give
 * the outcomes that a caller meets in ordinary running. fc_error_detail ()
 * then has the sentence that a user needs.
 *
 * Times are nanoseconds. "monotonic" is CLOCK_MONOTONIC, of this process also
 * where it and another are in time namespaces of their own; "wall" is
 * CLOCK_REALTIME; pts, dts, running time and duration are the stream's own,
 * with FC_TIME_NONE where there is none. A timeout is relative: 0 looks once
 * and does not wait, FC_FOREVER waits without end.
 *
 * Structs that the caller fills begin with struct_size, so that they can
 * grow: fill one from its _INIT macro, or set struct_size to its sizeof and
 * the rest to zero. A field that is zero means its default.
 *
 * Threads: a writer may be used by several threads at once. A consumer
 * belongs to one thread at a time, but for the functions marked "any thread".
 *
 * Fork: in a child that fork () made, without exec (), the handles of its
 * parent are copies that can only be let go of: closing one, releasing,
 * abandoning or unholding a frame, and interrupting do nothing to the parent's.
 * No other call is allowed, and frames are not there: touching one is SIGSEGV.
 * File locks stand for the parent's life, and the child's descriptors keep
 * them: a child that may outlive its parent closes the handles, or all
 * descriptors (closefrom (3)), or nobody sees the parent die before it ends.
 * All descriptors are close-on-exec.
 */
#ifndef FRAMECACHE_FC_H
#define FRAMECACHE_FC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define FC_BEGIN_DECLS                                                         \
  extern "C"                                                                   \
  {
#define FC_END_DECLS }
#else
#define FC_BEGIN_DECLS
#define FC_END_DECLS
#endif

#if defined(__GNUC__)
#define FC_API __attribute__ ((visibility ("default")))
#else
#define FC_API
#endif

FC_BEGIN_DECLS

/* Outcomes ------------------------------------------------------------- */

/* Success, and nothing was lost before this frame. */
#define FC_OK 0
/* Success: the frame is valid; frame.dropped frames were lost before it. */
#define FC_DROPPED 1
/* -ETIMEDOUT: no frame within the time given. */
#define FC_TIMEOUT (-110)
/* -ENODATA: the writer finished, and every frame still held was taken. */
#define FC_EOS (-61)
/* -EOWNERDEAD: the writer died. Waiting on is allowed: a new writer may take
 * the ring over. Said again by each call that waited and found none. */
#define FC_WRITER_LOST (-130)
/* -ESTALE: the slot has a new generation (its format or size changed) or was
 * removed, and every frame still held was taken: fc_consumer_attach (). */
#define FC_REPLACED (-116)
/* -ECANCELED: fc_consumer_interrupt () was called. */
#define FC_INTERRUPTED (-125)

/* The other errors, wherever they can happen:
 *   -EBUSY     the slot has a live writer
 *   -EUSERS    the consumer table is full
 *   -ENOSPC    not enough shared memory, or an answer that does not fit
 *   -EAGAIN    no cell (writer) or no lease (consumer) is free: copy instead
 *   -EMSGSIZE  a frame, format or block larger than its place
 *   -ENOENT    no such slot        -EACCES, -EPERM  not permitted
 *   -EINVAL    an argument         -EPROTO          not a ring, damaged, or
 *              made by an incompatible version
 */

/* No time, no frame's number, and no end of a wait. */
#define FC_TIME_NONE UINT64_MAX
#define FC_SEQ_NONE UINT64_MAX
#define FC_FOREVER (-1)

/* Longest slot name, in bytes. A name is 1 to 63 of A-Z a-z 0-9 . _ - and
 * begins with a letter or a digit. */
#define FC_NAME_MAX 63
/* Longest format description, in bytes (1 MiB). */
#define FC_FORMAT_MAX (1u << 20)
/* Longest block of metadata with a frame, in bytes. */
#define FC_META_MAX 4096u
/* Longest sticky block, in bytes (64 KiB). */
#define FC_STICKY_MAX (64u << 10)
/* Most cells of a ring: depth + consumers x leases + writer cells. */
#define FC_CELLS_MAX 65535u
/* Longest that a consumer looks for a frame before it sleeps, ns (50 ms). */
#define FC_SPIN_MAX 50000000u

/* The sentence for the last error that a call on this thread returned: what
 * failed, on which file, the limit, and what to do. Never NULL; valid until
 * this thread's next call of libfc that fails. Any thread. */
FC_API const char *fc_error_detail (void);

/* The version of the library that runs, as "1.2.3". Never NULL. */
FC_API const char *fc_version (void);

/* How much a message matters. */
typedef enum
{
  FC_LOG_ERROR = 1,   /* the slot or the handle can not go on */
  FC_LOG_WARNING = 2, /* frames were or may be lost; damaged memory seen */
  FC_LOG_INFO = 3,    /* attach, take-over, new generation */
  FC_LOG_DEBUG = 4
} fc_log_level_t;

/* Called with a whole line without its newline, from whatever thread has
 * something to say (a writer's housekeeper too), with none of libfc's locks
 * held. It may not call back into the handle. */
typedef void (*fc_log_func_t) (fc_log_level_t level, const char *message,
                               void *user_data);

/* Who may read a slot (access), and who may hold leases in it (trust). */
typedef enum
{
  FC_SHARE_USER = 0,  /* the writer's user */
  FC_SHARE_GROUP = 1, /* and the group of the slot's directory */
  FC_SHARE_ALL = 2    /* and everybody */
} fc_share_t;

/* Frames --------------------------------------------------------------- */

/* What libfc itself knows of a frame. Other bits are refused (-EINVAL). */
#define FC_FRAME_KEY 0x1u      /* decoding can start at this frame */
#define FC_FRAME_DELTA 0x2u    /* it can not be decoded without earlier ones */
#define FC_FRAME_HEADER 0x4u   /* stream headers, to be given to late joiners */
#define FC_FRAME_GAP 0x8u      /* nothing for its duration; size is 0 */
#define FC_FRAME_DISCONT 0x10u /* the stream is broken just before it */
/* Set by libfc on what a consumer receives: the first frame that it sees of
 * another writer, or of another generation, than the frame before; so not on
 * the first one of all. */
#define FC_FRAME_EPOCH 0x100u

/* What travels with the bytes of a frame. The writer fills it in; commit_ns
 * and wall_ns are libfc's. */
typedef struct
{
  uint32_t struct_size;
  uint32_t flags;        /* FC_FRAME_* */
  uint64_t user_flags;   /* the application's or the framework's, untouched */
  uint64_t pts;          /* presentation time, ns of the stream */
  uint64_t dts;          /* decoding time, ns of the stream */
  uint64_t duration;     /* ns */
  uint64_t running_time; /* ns since the stream began to run */
  uint64_t offset;       /* the application's: frame or sample number, ... */
  uint64_t offset_end;
  uint64_t capture_ns; /* monotonic; FC_TIME_NONE: taken from commit_ns */
  uint64_t commit_ns;  /* monotonic; when the frame was published */
  uint64_t wall_ns;    /* wall; the same moment */
  const void *meta;    /* a block of up to FC_META_MAX bytes that libfc does
                          not look into, or NULL */
  uint32_t meta_size;  /* bytes */
  uint32_t reserved;   /* 0 */
} fc_info_t;

#define FC_INFO_INIT                                                           \
  {                                                                            \
    (uint32_t) sizeof (fc_info_t), 0, 0, FC_TIME_NONE, FC_TIME_NONE,           \
        FC_TIME_NONE, FC_TIME_NONE, FC_TIME_NONE, FC_TIME_NONE, FC_TIME_NONE,  \
        FC_TIME_NONE, FC_TIME_NONE, NULL, 0, 0                                 \
  }

/* A frame in a writer's or a consumer's hands. Copying the struct does not
 * copy the hold: each acquire or lease is ended once. */
typedef struct
{
  uint32_t struct_size;
  uint32_t epoch;        /* which life of a writer on this ring wrote it */
  void *data;            /* consumers: read only memory, writing is SIGSEGV */
  size_t size;           /* bytes of the frame */
  size_t capacity;       /* bytes that data can take (writer, or caller's) */
  uint64_t seq;          /* number of the frame in its slot */
  uint64_t key_seq;      /* newest FC_FRAME_KEY frame up to this one, or
                            FC_SEQ_NONE */
  uint64_t keys;         /* FC_FRAME_KEY frames of the slot, up to this one */
  uint64_t dropped;      /* frames lost just before this one */
  uint64_t dropped_keys; /* and those of them that were FC_FRAME_KEY */
  uint32_t generation;   /* which life of the slot's files it came from */
  uint32_t sticky;       /* serial of the sticky block at its commit, 0: none */
  fc_info_t info;
  void *hold[2]; /* libfc's own */
} fc_frame_t;

#define FC_FRAME_INIT                                                          \
  {                                                                            \
    (uint32_t) sizeof (fc_frame_t), 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0,        \
        FC_INFO_INIT,                                                          \
    {                                                                          \
      NULL, NULL                                                               \
    }                                                                          \
  }

/* Writer --------------------------------------------------------------- */

/* A handle on the right to write one slot; its memory, lock and housekeeper
 * thread live until fc_writer_close (), and the memory of cells still held
 * beyond that until they are dropped. */
typedef struct fc_writer fc_writer_t;

/* What a slot is made with. Where a default is named, 0 stands for it. */
typedef struct
{
  uint32_t struct_size;
  uint32_t ring_depth;    /* frames of history that stay readable; 120 */
  const char *dir;        /* slot directory; NULL: FC_DIR, else the usual */
  uint64_t frame_size;    /* bytes of the largest frame; required */
  const void *format;     /* bytes that describe the frames, e.g. caps as a
                             string; copied */
  uint32_t format_size;   /* bytes, up to FC_FORMAT_MAX */
  uint32_t max_consumers; /* entries in the consumer table; 64 */
  uint32_t leases;        /* frames that one consumer may hold, of which one
                             is kept for copies; at least 2; 4 */
  uint32_t writer_cells;  /* cells acquired or held at once; 2 */
  fc_share_t access;      /* who may read; never narrower than trust */
  fc_share_t trust;       /* who may hold leases */
  uint32_t observers;     /* 1: wake observers even if access == trust */
  uint32_t prepare;       /* 1: fc_writer_open () shows nothing yet */
  const void *sticky;     /* what fc_writer_set_sticky () would set: there
                             before the ring is shown; NULL: what was set */
  uint32_t sticky_size;   /* bytes */
  uint64_t latency_ns;    /* that the writer declares, ns; 0 */
  uint64_t first_seq;     /* where a new slot begins to count, up to
                             2^63 - 1; 0 */
  uint32_t owner_set;     /* 1: fc_slot_reserve () makes it this user's: */
  uint32_t owner;         /* uid */
  fc_log_func_t log;      /* NULL: silent */
  void *log_data;
} fc_writer_options_t;

#define FC_WRITER_OPTIONS_INIT                                                 \
  {                                                                            \
    (uint32_t) sizeof (fc_writer_options_t), 0, NULL, 0, NULL, 0, 0, 0, 0,     \
        FC_SHARE_USER, FC_SHARE_USER, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL    \
  }

/* What a writer did, and what its ring takes. */
typedef struct
{
  uint32_t struct_size;
  uint32_t generation;
  uint32_t epoch;
  uint32_t consumers;         /* attached now */
  uint64_t head;              /* frames committed: the next frame's seq */
  uint64_t frames;            /* committed by this handle */
  uint64_t bytes;             /* committed by this handle */
  uint64_t copied;            /* of frames, those that were copied in */
  uint64_t history_shortened; /* places given up because memory was out */
  uint64_t dropped;           /* frames dropped: no cell, no memory */
  uint32_t cells;             /* allocated */
  uint32_t cells_out;         /* acquired or held */
  uint32_t cells_leased;      /* out of the history, still leased */
  uint32_t reserved;
  uint64_t bytes_allocated; /* of shared memory, ring and table */
} fc_writer_stats_t;

#define FC_WRITER_STATS_INIT                                                   \
  {                                                                            \
    (uint32_t) sizeof (fc_writer_stats_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0                                                                   \
  }

/* Take the right to write SLOT and make it live: carry on in the ring that a
 * dead or finished writer left when it agrees in everything (consumers then
 * just see frames again), else make a new ring; a slot that still has a ring
 * gets a new generation and its consumers are told FC_REPLACED.
 * A reserved slot's numbers are those that it was reserved with, whatever
 * OPTIONS say. Memory is reserved before this returns, and never outgrows the
 * plan of fc_plan (). *WRITER is the caller's, to close. Any thread.
 * With options.prepare the slot stays as it is, and has its lock taken, until
 * the first frame of fc_writer_acquire_prepared () is committed, or until
 * fc_writer_renew ().
 * Returns 0; -EBUSY (names the live writer's pid); -ENOSPC (names the bytes
 * needed, the bytes free and the remedy); -EMSGSIZE (the slot is reserved for
 * smaller frames, or the format is too long); -EINVAL, -EACCES, -EPERM,
 * -EMFILE. */
FC_API int fc_writer_open (fc_writer_t **writer, const char *slot,
                           const fc_writer_options_t *options);

/* Go on with another format, size or depth in a new generation; seq goes on.
 * OPTIONS as for fc_writer_open () (dir, first_seq and log are not looked
 * at). Nothing happens where they are what the ring already has. Cells that
 * are out stay mapped; committing one copies it into the new ring. On error
 * the old generation stays live, unless -ENOSPC says that it had to go: then
 * the slot has no ring, and writing is -ESTALE, until a renewal succeeds.
 * Returns 1 where a generation was made, 0 where not, or an error of
 * fc_writer_open (). */
FC_API int fc_writer_renew (fc_writer_t *writer,
                            const fc_writer_options_t *options);

/* Make the ring ready that fc_writer_renew () with these OPTIONS would show,
 * and do not show it: for who has to fill cells before it is certain that
 * there will be frames of that kind. One ring is prepared at a time; another
 * one that was is dropped (its cells stay mapped), also where the ring that is
 * shown will do. Committing the first frame of a prepared ring shows it; so
 * does renewing with the same options. Never gives up a ring for room.
 * Returns 1 where a ring is prepared, 0 where the one that is shown is what
 * OPTIONS ask for, or an error of fc_writer_open (). */
FC_API int fc_writer_prepare (fc_writer_t *writer,
                              const fc_writer_options_t *options);

/* Get an exclusive cell to fill in place: FRAME gets data and capacity
 * (bytes; the ring's frame size), page-aligned and not cleared. It is the
 * caller's until fc_writer_commit () or fc_writer_abandon (). Never waits.
 * Returns 0; -EAGAIN when writer_cells are out or memory is (copy, or drop
 * the frame); -ESTALE when the slot was removed. */
FC_API int fc_writer_acquire (fc_writer_t *writer, fc_frame_t *frame);

/* The same of the ring that is prepared, where one is; and one of writer_cells
 * is left for fc_writer_acquire (), so that who finds none here can copy. */
FC_API int fc_writer_acquire_prepared (fc_writer_t *writer, fc_frame_t *frame);

/* Publish FRAME with FRAME->size bytes and FRAME->info; seq is given here,
 * so cells may be committed in any order. FRAME->seq is set. Ends the
 * acquire, whatever it returns. Costs no system call when nobody waits.
 * Returns 0; 1 where its cell is of an older generation and was copied into
 * the one that is shown; -EINVAL, -EMSGSIZE (size or meta too large; the frame
 * is lost), -ESTALE (the slot was removed), -EAGAIN (a cell of an older
 * generation could not be copied: no cell); of a prepared ring's first frame
 * also what fc_writer_renew () returns. */
FC_API int fc_writer_commit (fc_writer_t *writer, fc_frame_t *frame);

/* As fc_writer_commit (), and keep the cell from being written again until
 * fc_writer_unhold (FRAME): for an upstream that still reads what it wrote.
 * FRAME->data stays readable; it must not be written. */
FC_API int fc_writer_commit_hold (fc_writer_t *writer, fc_frame_t *frame);

/* End the hold on a committed cell. Also after fc_writer_close (), as long as
 * cells were out: the handle then lives until the last one is dropped. */
FC_API void fc_writer_unhold (fc_writer_t *writer, fc_frame_t *frame);

/* Give an acquired cell back unpublished. Also after fc_writer_close (). */
FC_API void fc_writer_abandon (fc_writer_t *writer, fc_frame_t *frame);

/* Copy SIZE bytes into a cell and publish it, however many writer cells are
 * out. INFO may be NULL. *SEQ, unless SEQ is NULL, is the frame's number.
 * Returns as fc_writer_acquire () and fc_writer_commit (); -EAGAIN is then a
 * frame dropped and counted: memory is out. */
FC_API int fc_writer_write (fc_writer_t *writer, const void *data, size_t size,
                            const fc_info_t *info, uint64_t *seq);

/* End of stream: consumers get FC_EOS after the last frame. A frame written
 * later begins a new epoch. Returns 0 or -ESTALE. */
FC_API int fc_writer_finish (fc_writer_t *writer);

/* Replace the sticky block: what a late joiner needs (stream id, tags, ...),
 * opaque to libfc. Returns 0 or -EMSGSIZE. */
FC_API int fc_writer_set_sticky (fc_writer_t *writer, const void *data,
                                 size_t size);

/* Declare another latency (ns), as with options.latency_ns. */
FC_API void fc_writer_set_latency (fc_writer_t *writer, uint64_t latency_ns);

/* Whether a consumer asked for a key frame since the last call: 1 or 0. */
FC_API int fc_writer_key_frame_requested (fc_writer_t *writer);

/* How many consumers are attached: cheap enough for each frame. Any thread. */
FC_API int fc_writer_consumers (fc_writer_t *writer);

/* Fill STATS. Returns 0 or -EINVAL. Any thread. */
FC_API int fc_writer_stats (fc_writer_t *writer, fc_writer_stats_t *stats);

/* Finish, if that was not done, and take the slot's files away unless it is
 * reserved. Consumers drain what they have mapped. Takes NULL. */
FC_API void fc_writer_close (fc_writer_t *writer);

/* Consumer ------------------------------------------------------------- */

/* A place among the consumers of one slot, or an observer of it. */
typedef struct fc_consumer fc_consumer_t;

/* Where to read from. A slot that there was not when it was asked for is read
 * from its first frame. */
typedef enum
{
  FC_START_LIVE = 0,   /* the next frame to be committed */
  FC_START_LATEST = 1, /* the newest there is, or else the next */
  FC_START_OLDEST = 2, /* the oldest in the history */
  FC_START_KEY = 3,    /* the newest key frame, or else the next frame */
  FC_START_SEQ = 4,    /* frame number `value`, or the oldest after it */
  FC_START_TIME = 5,   /* first frame captured at or after `value`, ns
                          monotonic */
  FC_START_MARGIN = 6, /* 3/4 of the depth back, not to be lapped at once, or
                          the oldest there is */
  FC_START_AGO = 7     /* as FC_START_TIME, `value` ns before the moment in
                          which the position is looked for */
} fc_start_t;

/* With key, and where the slot has FC_FRAME_KEY frames, reading begins at one
 * of them, so that all that was asked for can be decoded: at the newest that is
 * not after the frame that start names, or the next one after it; OLDEST and
 * MARGIN take the next one first, and then one before. Where the history has
 * none, at the next frame to be committed. TIME and AGO then take the newest
 * key frame also where no frame was captured as late as that. LIVE, LATEST
 * and KEY do not look at it. */
typedef struct
{
  fc_start_t start;
  uint32_t back;  /* FC_START_OLDEST: at most this many frames back; 0: all */
  uint64_t value; /* FC_START_SEQ, FC_START_TIME, FC_START_AGO */
  uint32_t key;   /* 1: at a frame that decoding can start at */
  uint32_t reserved; /* 0 */
} fc_position_t;

/* Where a lap resumes; what is skipped is counted either way. */
typedef enum
{
  FC_ON_LAP_OLDEST = 0, /* the oldest frame still there */
  FC_ON_LAP_MARGIN = 1, /* 3/4 of the depth back, not to be lapped at once */
  FC_ON_LAP_LATEST = 2, /* the newest */
  FC_ON_LAP_KEY = 3     /* the newest key frame, where that is not further
                           back than the margin, or else the newest frame */
} fc_on_lap_t;

/* How a slot is to be read. */
typedef struct
{
  uint32_t struct_size;
  uint32_t observe;       /* 1: attach as an observer, with no write path */
  const char *dir;        /* slot directory; NULL: FC_DIR, else the usual */
  int64_t wait_ns;        /* how long fc_consumer_open () waits for a slot
                             that does not exist yet; 0: not */
  fc_position_t position; /* where to begin, live; one that is not there yet
                             begins at the next frame */
  fc_on_lap_t on_lap;
  uint32_t detached;      /* 1: do not attach; fc_consumer_attach () does */
  const char *name;       /* for display, up to 31 bytes; NULL: the program */
  uint32_t trust_uid_set; /* 1: the writer may also be this user (not the
                             overflow user of a user namespace, who may be
                             anybody): */
  uint32_t trust_uid;
  uint32_t use_fds; /* 1: attach to these descriptors, not by a path: */
  int ring_fd;      /* of the .ring file, readable; borrowed */
  int table_fd;     /* of the consumer table, read-write, on an open
                       file description of its own, or -1: observe;
                       borrowed, and the caller closes it at once */
  fc_log_func_t log;
  void *log_data;
  uint64_t spin_ns; /* after each frame, look for the next one without a pause
                       for so long, ns up to FC_SPIN_MAX, and only then sleep:
                       it is then had, and written, without the cost of a
                       wake-up, and keeps a processor busy meanwhile. Observers
                       sleep at once, and so do all on a machine with one
                       processor; 0 */
} fc_consumer_options_t;

#define FC_CONSUMER_OPTIONS_INIT                                               \
  {                                                                            \
    (uint32_t) sizeof (fc_consumer_options_t), 0, NULL, 0,                     \
        { FC_START_LIVE, 0, 0, 0, 0 }, FC_ON_LAP_OLDEST, 0, NULL, 0, 0, 0, -1, \
        -1, NULL, NULL, 0                                                      \
  }

/* Where a consumer is, and what it got since it attached or sought last. */
typedef struct
{
  uint32_t struct_size;
  uint32_t observing; /* 1: attached as an observer */
  uint32_t generation;
  uint32_t epoch;
  uint32_t ring_depth; /* frames */
  uint32_t leases_out; /* frames leased now */
  uint64_t frame_size; /* bytes */
  uint64_t head;       /* the writer's next seq */
  uint64_t cursor;     /* this consumer's next seq */
  uint64_t first;      /* the cursor chosen at attach or the last seek;
                          delivered + dropped == cursor - first */
  uint64_t delivered;
  uint64_t dropped;
  uint64_t laps;            /* times that frames were lost */
  uint64_t latency_ns;      /* what the writer declares */
  uint64_t total_delivered; /* over all attachments and seeks */
  uint64_t total_dropped;
  uint64_t observed_latency_ns; /* commit_ns - capture_ns of the newest 16
                                   frames, the largest; 0 if none */
  uint64_t dropped_keys; /* of dropped, FC_FRAME_KEY frames; known when the
                            frame after them is delivered */
} fc_consumer_stats_t;

#define FC_CONSUMER_STATS_INIT                                                 \
  {                                                                            \
    (uint32_t) sizeof (fc_consumer_stats_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
        0, 0, 0, 0, 0, 0                                                       \
  }

/* Attach to SLOT. Falls back to observing where the consumer table may not
 * be written or the writer's user is not trusted (not the caller, root or
 * trust_uid), and logs that. *CONSUMER is the caller's, to close. Any thread.
 * Returns 0; -ENOENT (no slot within wait_ns); -EUSERS; -EACCES; -EPROTO;
 * -EINVAL; -EMFILE. */
FC_API int fc_consumer_open (fc_consumer_t **consumer, const char *slot,
                             const fc_consumer_options_t *options);

/* Attach to the slot as it is now, waiting up to TIMEOUT ns for it: after
 * FC_REPLACED, FC_EOS or options.detached. Reading goes on at the cursor
 * where the new ring continues the old one's count; what was lost between is
 * counted. Otherwise, and where nothing was attached before, it begins at
 * options.position. Leases of the old attachment stay good.
 * Returns 0 where reading goes on; 1 where it began anew (a new count: the
 * cursor was reset); -ENOENT when there is still no slot; FC_INTERRUPTED; or
 * as fc_consumer_open (). */
FC_API int fc_consumer_attach (fc_consumer_t *consumer, int64_t timeout);

/* The same to a ring that somebody else opened, as options.use_fds describes:
 * RING_FD and TABLE_FD are borrowed, TABLE_FD -1 is to observe. Does not wait;
 * WAITED is 1 where the caller has waited for the slot, all of whose frames are
 * then yet to be read. Also for a consumer that was opened by a path.
 * Returns as fc_consumer_attach (); -ENOENT also for a ring that is over. */
FC_API int fc_consumer_attach_fds (fc_consumer_t *consumer, int ring_fd,
                                   int table_fd, int waited);

/* Lease the next frame in place: FRAME->data stays valid and unchanged until
 * fc_consumer_release (). Waits up to TIMEOUT ns; the same where frames come
 * but each is gone by the time that it is taken: the next one tells the loss.
 * Returns FC_OK, FC_DROPPED, FC_TIMEOUT, FC_EOS, FC_WRITER_LOST,
 * FC_REPLACED, FC_INTERRUPTED; -EAGAIN at once where all leases but the one
 * kept for copies are out; -EPERM for an observer; -EPROTO. */
FC_API int fc_consumer_lease (fc_consumer_t *consumer, fc_frame_t *frame,
                              int64_t timeout);

/* End a lease. Any thread; also after fc_consumer_close (), until the last
 * lease is back. FRAME->data and info.meta are invalid from here. */
FC_API void fc_consumer_release (fc_consumer_t *consumer, fc_frame_t *frame);

/* Whether a leased FRAME is still the one that was leased: 1, or 0 where
 * somebody whom the slot trusts broke the rules (cleared the lease). Ask
 * after having used the bytes. Any thread. */
FC_API int fc_frame_intact (fc_consumer_t *consumer, const fc_frame_t *frame);

/* Copy the next frame, into FRAME->data of FRAME->capacity bytes where data
 * is not NULL, else into a buffer of the consumer's that is good until its
 * next call. info.meta is in a buffer of the consumer's either way.
 * Returns as fc_consumer_lease (), but needs no free lease; -EMSGSIZE where
 * capacity is too small: FRAME->size says what it takes, and the frame was
 * not taken. */
FC_API int fc_consumer_read (fc_consumer_t *consumer, fc_frame_t *frame,
                             int64_t timeout);

/* Go to POSITION; counting begins anew there. Returns 0, or -ENOENT where
 * POSITION is not in the history (the cursor has not moved). */
FC_API int fc_consumer_seek (fc_consumer_t *consumer,
                             const fc_position_t *position);

/* Make a wait of this consumer's end at once with FC_INTERRUPTED, and every
 * later one too, until fc_consumer_resume (). Any thread, and from signal
 * handlers. */
FC_API void fc_consumer_interrupt (fc_consumer_t *consumer);

/* Allow waiting again. Any thread. */
FC_API void fc_consumer_resume (fc_consumer_t *consumer);

/* Ask the writer for a key frame. Returns 0, or -EPERM for an observer. */
FC_API int fc_consumer_request_key_frame (fc_consumer_t *consumer);

/* The format of the attached ring: *SIZE bytes at *DATA, valid until the
 * next fc_consumer_attach () or close. Returns 0, or -EAGAIN for a reserved
 * slot whose first writer has not come yet. */
FC_API int fc_consumer_format (fc_consumer_t *consumer, const void **data,
                               size_t *size);

/* Copy the sticky block into DATA of CAPACITY bytes; *SIZE and *SERIAL
 * (either may be NULL) get its size and serial (0: never set). A capacity of
 * FC_STICKY_MAX is always enough.
 * Returns 0; -EMSGSIZE (*SIZE says what it takes); -EAGAIN (the writer is
 * replacing it without pause); -EPROTO. */
FC_API int fc_consumer_sticky (fc_consumer_t *consumer, void *data,
                               size_t capacity, size_t *size, uint32_t *serial);

/* The writer's next seq, and the frames lost since attach or the last seek.
 * 0 where nothing is attached. */
FC_API uint64_t fc_consumer_write_cursor (fc_consumer_t *consumer);
FC_API uint64_t fc_consumer_dropped (fc_consumer_t *consumer);

/* Fill STATS. Returns 0 or -EINVAL. */
FC_API int fc_consumer_stats (fc_consumer_t *consumer,
                              fc_consumer_stats_t *stats);

/* Detach. The entry in the table lives until the last lease is released.
 * Takes NULL. */
FC_API void fc_consumer_close (fc_consumer_t *consumer);

/* Slots ---------------------------------------------------------------- */

/* What became of a slot's writer, or of the slot. */
typedef enum
{
  FC_STATE_RESERVED = 0, /* no writer yet */
  FC_STATE_LIVE = 1,
  FC_STATE_EOS = 2,
  FC_STATE_REPLACED = 3,
  FC_STATE_REMOVED = 4,
  FC_STATE_LOST = 5 /* was live, and its writer is dead */
} fc_state_t;

/* A slot as it was when it was looked at. */
typedef struct
{
  uint32_t struct_size;
  fc_state_t state;
  char name[FC_NAME_MAX + 1];
  char dir[256];       /* the directory that it was found in */
  uint64_t frame_size; /* bytes */
  uint32_t ring_depth; /* frames */
  uint32_t max_consumers;
  uint32_t leases;
  uint32_t writer_cells;
  fc_share_t access;
  fc_share_t trust;
  uint32_t reserved; /* 1: outlives its writers */
  uint32_t generation;
  uint32_t epoch;
  uint32_t writer_pid; /* for display: as its own pid namespace has it */
  uint32_t writer_uid; /* for display: as its own user namespace has it */
  uint32_t consumers;  /* attached; 0 where the table is unreadable */
  uint32_t cells_out;
  uint32_t sticky;
  uint64_t head;            /* frames committed: the next frame's seq */
  uint64_t first_seq;       /* where this generation began */
  uint64_t oldest;          /* oldest seq in the history; head if none */
  uint64_t bytes_total;     /* committed by all writers of this ring */
  uint64_t bytes_allocated; /* shared memory of ring and table now */
  uint64_t bytes_planned;   /* and at the most */
  uint64_t history_shortened;
  uint64_t writer_dropped;
  uint64_t latency_ns;
  uint64_t created_wall_ns;
  uint64_t newest_commit_ns; /* monotonic; FC_TIME_NONE if none */
  double frame_rate;         /* frames/s over the history; 0 if unknown */
  double bit_rate;           /* bits/s over the history; 0 if unknown */
  uint32_t format_size;      /* bytes: fc_slot_format () */
  uint32_t owner;            /* uid and gid of the ring's file: whom access */
  uint32_t group;            /*   and trust are about. In a user namespace that
                                has no number for them these are the overflow
                                ids (65534), which say nothing */
  uint32_t padding;
} fc_slot_stat_t;

/* A consumer of a slot, observers not among them. */
typedef struct
{
  uint32_t struct_size;
  uint32_t entry; /* place in the table */
  uint32_t pid;   /* for display, as the consumer told it */
  uint32_t uid;
  char name[32];
  uint64_t cursor; /* its next seq */
  uint64_t delivered;
  uint64_t dropped;
  uint32_t leases;  /* held now */
  uint32_t waiting; /* 1: asleep until the next frame */
  uint64_t attached_wall_ns;
} fc_consumer_stat_t;

/* Called for each directory, PATH being good for the call alone; not 0 ends
 * the walk and is what the walk returns. */
typedef int (*fc_dir_func_t) (const char *path, void *user_data);

/* The directories in which a consumer looks for a slot, in that order: the
 * only one that DIR or FC_DIR names, else the usual ones. They need not exist,
 * nor be safe to use: for who watches them for what comes and goes. A slot
 * comes by a rename to NAME.ring; each time that a writer begins or ends, that
 * file's times change (inotify's IN_ATTRIB); its writer's death closes it
 * (IN_CLOSE_WRITE). Any thread. Returns 0, or what FUNC returned. */
FC_API int fc_slot_dirs (const char *dir, fc_dir_func_t func, void *user_data);

/* Called for each slot, in the order of their names; not 0 ends the walk and
 * is what the walk returns. */
typedef int (*fc_slot_func_t) (const fc_slot_stat_t *stat, void *user_data);
typedef int (*fc_consumer_func_t) (const fc_consumer_stat_t *stat,
                                   void *user_data);

/* None of these attaches, locks or changes what it looks at. DIR as in the
 * options. Any thread. Files that are not rings, or that may not be read,
 * are passed over by fc_slot_list () and are errors for the others.
 * Return 0 or an error. */
FC_API int fc_slot_list (const char *dir, fc_slot_func_t func, void *user_data);
FC_API int fc_slot_stat (const char *dir, const char *slot,
                         fc_slot_stat_t *stat);
FC_API int fc_slot_consumers (const char *dir, const char *slot,
                              fc_consumer_func_t func, void *user_data);
/* Copies the format; *SIZE is its size also where CAPACITY is too small
 * (-EMSGSIZE). */
FC_API int fc_slot_format (const char *dir, const char *slot, void *data,
                           size_t capacity, size_t *size);

/* A slot held open, for who looks at it again and again: a look costs a dozen
 * system calls, and files that are cut or spoilt meanwhile cost an error. It
 * belongs to one thread at a time. */
typedef struct fc_slot_view fc_slot_view_t;

/* *VIEW is the caller's, to close. Returns as fc_slot_stat (). */
FC_API int fc_slot_view_open (fc_slot_view_t **view, const char *dir,
                              const char *slot);
/* As fc_slot_stat (), but for the rates: they are those since this view's look
 * before, 0 where no frame came since. Returns 0; FC_REPLACED where the slot
 * has another ring by now, or none: close the view and open one anew. */
FC_API int fc_slot_view_stat (fc_slot_view_t *view, fc_slot_stat_t *stat);
FC_API int fc_slot_view_consumers (fc_slot_view_t *view,
                                   fc_consumer_func_t func, void *user_data);
FC_API int fc_slot_view_format (fc_slot_view_t *view, void *data,
                                size_t capacity, size_t *size);
/* Takes NULL. */
FC_API void fc_slot_view_close (fc_slot_view_t *view);

/* Open SLOT's ring, read only, and unless TABLE_FD is NULL its consumer table,
 * read-write, for a process that can not see DIR and attaches by descriptors
 * (options.use_fds). Each is an open file description of its own, the caller's
 * to close: the table's as soon as it was sent, since who attaches by it lives
 * for as long as a copy is open anywhere. RING_DIR, if not NULL, is another
 * path of DIR by which the ring is opened: one on a read-only mount makes sure
 * that nobody can open it for writing from the descriptor.
 * Returns 0 or an error. */
FC_API int fc_slot_open_fds (const char *dir, const char *ring_dir,
                             const char *slot, int *ring_fd, int *table_fd);

/* Make SLOT before its writer comes; it then outlives its writers. OPTIONS
 * as for fc_writer_open (); format may be NULL: its first writer sets it.
 * -EEXIST where the slot exists; -EBUSY where it is just being made or
 * removed; -EPERM where options.owner may not be made its owner. */
FC_API int fc_slot_reserve (const char *slot,
                            const fc_writer_options_t *options);

/* Take SLOT's files away; its consumers are told FC_REPLACED. -EBUSY while a
 * writer lives, unless FORCE is 1: the writer then learns it within two
 * seconds. */
FC_API int fc_slot_remove (const char *dir, const char *slot, int force);

/* Collect what crashes left of SLOT, or of every slot where SLOT is NULL:
 * half-made files, tables without a ring, rings whose writer is dead and
 * that are not reserved and have no consumer, rings that were removed but for
 * their files, dead consumers' entries; and, uncounted, the lock of a slot that
 * has nothing else.
 * A ring is left for a next writer to carry on in while its newest frame (or
 * where it has none, the ring) is younger than AGE ns.
 * Nothing that lives is touched. Returns how many things were collected. */
FC_API int fc_slot_gc (const char *dir, const char *slot, uint64_t age);

/* What a slot would take. */
typedef struct
{
  uint32_t struct_size;
  uint32_t cells_planned; /* at the most */
  uint32_t cells_initial; /* reserved at creation */
  uint32_t fits;          /* 1: bytes_planned <= bytes_free */
  uint64_t bytes_initial; /* ring and table, reserved at creation */
  uint64_t bytes_planned; /* at the most, with every lease taken */
  uint64_t bytes_free;    /* what the directory's file system has now */
  char dir[256];          /* the directory that a writer would use */
} fc_plan_t;

/* Work out, to the byte, what fc_writer_open () with OPTIONS takes. Makes
 * nothing. Of the format only its size counts, format may be NULL: a slot that
 * is reserved without one keeps room for FC_FORMAT_MAX bytes. Returns 0,
 * -EINVAL, or why no directory will do. */
FC_API int fc_plan (const fc_writer_options_t *options, fc_plan_t *plan);

FC_END_DECLS

#endif /* FRAMECACHE_FC_H */
