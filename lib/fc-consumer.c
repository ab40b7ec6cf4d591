/* The public consumer, but for reading: opening, attaching, seeking, what it
 * knows of its slot, closing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fc-consumer.h"

#define STICKY_TRIES 1000
/* No ring has this epoch: the next frame is flagged. */
#define NO_EPOCH UINT32_MAX
/* Of observed_latency_ns. */
#define OBSERVED_FRAMES 16u
/* fc_consumer_options_t as it was at first. */
#define FIRST_OPTIONS offsetof (fc_consumer_options_t, spin_ns)

/* Opening ------------------------------------------------------------------ */

static int
check_options (const fc_consumer_options_t *options)
{
  if ((unsigned) options->on_lap > FC_ON_LAP_KEY)
    return fc_fail (-EINVAL, "no such on_lap: %d", (int) options->on_lap);
  if ((unsigned) options->position.start > FC_START_AGO)
    return fc_fail (-EINVAL, "no such start position: %d",
                    (int) options->position.start);
  if (options->position.key > 1)
    return fc_fail (-EINVAL, "position.key is 0 or 1, not %u",
                    options->position.key);
  if (options->observe > 1 || options->detached > 1
      || options->trust_uid_set > 1 || options->use_fds > 1)
    return fc_fail (-EINVAL, "observe, detached, trust_uid_set and use_fds "
                             "are 0 or 1");
  if (options->use_fds && options->ring_fd < 0)
    return fc_fail (-EINVAL, "use_fds is set, but ring_fd is %d",
                    options->ring_fd);
  if (options->spin_ns > FC_SPIN_MAX)
    return fc_fail (-EINVAL,
                    "spin_ns is %llu; the limit is %u, since a longer wait is "
                    "better slept through",
                    (unsigned long long) options->spin_ns, FC_SPIN_MAX);
  return 0;
}

static int
consumer_new (fc_consumer_t **result, const char *slot,
              const fc_consumer_options_t *options)
{
  fc_consumer_t *c = calloc (1, sizeof *c);
  const char *name = options->name;
  int r = 0;

  if (c == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  atomic_init (&c->refs, 1);
  strcpy (c->slot, slot);
  snprintf (c->name, sizeof c->name, "%s",
            name != NULL ? name : program_invocation_short_name);
  c->options = *options;
  c->log.func = options->log;
  c->log.data = options->log_data;
  c->alive_at = c->frame_at = fc_now (CLOCK_MONOTONIC);
  c->mark = fc_mark_new ();
  c->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (c->event_fd < 0)
    r = fc_fail (-errno, "can not make an event descriptor: %s",
                 strerror (errno));
  if (options->dir != NULL)
    c->dir = strdup (options->dir);
  if (r == 0 && options->dir != NULL && c->dir == NULL)
    r = fc_fail (-ENOMEM, "out of memory");
  c->options.dir = c->dir;
  c->options.name = c->name;
  /* Whoever could write the frame waits for the only processor. */
  if (c->options.spin_ns > 0 && sysconf (_SC_NPROCESSORS_ONLN) == 1)
    c->options.spin_ns = 0;
  if (r < 0)
    fc_consumer_unref (c);
  else
    *result = c;
  return r;
}

int
fc_consumer_open (fc_consumer_t **result, const char *slot,
                  const fc_consumer_options_t *given)
{
  static const fc_consumer_options_t defaults = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_options_t options;
  fc_consumer_t *c = NULL;
  int r = fc_check_name (slot);

  if (given == NULL)
    given = &defaults;
  if (r >= 0)
    r = fc_take_struct ("fc_consumer_options_t", &options, sizeof options,
                        given, FIRST_OPTIONS);
  if (r >= 0)
    r = check_options (&options);
  if (r < 0)
    return r;
  r = consumer_new (&c, slot, &options);
  if (c == NULL)
    return r;
  if (!options.detached)
    {
      r = fc_consumer_attach (c, options.wait_ns);
      if (r < 0)
        {
          fc_consumer_close (c);
          return r;
        }
    }
  *result = c;
  return 0;
}

/* Attaching ---------------------------------------------------------------- */

static void
set_attachment (fc_consumer_t *c, fc_attachment_t *att)
{
  fc_attachment_t *had;

  /* set_attachment:A, pairs with fc_consumer_interrupt:B. */
  had = atomic_exchange_explicit (&c->att, att, memory_order_seq_cst);
  while (atomic_load_explicit (&c->interrupters, memory_order_seq_cst) > 0)
    ; /* a handful of instructions and a wake-up, in another thread */
  fc_attachment_unref (had);
}

static void
begin_at (fc_consumer_t *c, uint64_t seq)
{
  c->cursor = c->first = seq;
  c->keys = fc_keys_before (c, seq);
  c->delivered = c->dropped = c->dropped_keys = c->unreported = 0;
  c->alive_delivered = 0;
}

/* Go on at the cursor where the new ring continues its count; 1: begun anew.
 * WAITED: there was no slot when this was asked for, so that all of its frames
 * are yet to come, also those that were committed before its name was seen,
 * be it to a ring that was replaced before that. */
static int
choose_cursor (fc_consumer_t *c, bool waited)
{
  const fc_position_t *position = &c->options.position;
  const fc_attachment_t *att = c->att;
  bool had = c->lineage != 0;
  uint64_t head, seq;
  int r = fc_load_head (att, &head);

  if (r < 0)
    return r;
  if (had && c->lineage == att->header.lineage && c->cursor <= head)
    return 0;
  waited = waited && position->start != FC_START_SEQ
           && att->header.first_seq <= head;
  if (waited)
    seq = att->header.lineage_first;
  else
    {
      r = fc_find_position (c, position, &seq);
      if (r == -ENOENT) /* it has yet to come */
        seq = head;
      else if (r < 0)
        return r;
    }
  c->lineage = att->header.lineage;
  if (had)
    c->epoch = NO_EPOCH;
  begin_at (c, seq);
  if (waited)
    c->keys = 0;
  return had ? 1 : 0;
}

/* Go over to ATT. */
static int
take_attachment (fc_consumer_t *c, fc_attachment_t *att, bool waited)
{
  int r;

  set_attachment (c, att);
  r = choose_cursor (c, waited);
  if (r < 0)
    set_attachment (c, NULL);
  else
    fc_log (&c->log, FC_LOG_INFO, "%s: attached as %s at frame %llu", att->path,
            att->observing ? "an observer" : "a consumer",
            (unsigned long long) c->cursor);
  return r;
}

int
fc_consumer_attach (fc_consumer_t *c, int64_t timeout)
{
  uint64_t until = fc_deadline (timeout);
  fc_attachment_t *att = NULL;
  bool waited = false;
  int inotify_fd = -1;
  int r;

  do
    {
      r = fc_attach_once (c, &att);
      if (r != -ENOENT)
        break;
      waited = true;
      r = fc_wait_for_slot (c, &inotify_fd, until);
    }
  while (r == 0);
  if (inotify_fd >= 0)
    close (inotify_fd);
  if (r != 0)
    return r < 0 ? r : 0;
  return take_attachment (c, att, waited);
}

int
fc_consumer_attach_fds (fc_consumer_t *c, int ring_fd, int table_fd, int waited)
{
  fc_attachment_t *att = NULL;
  int r = fc_attach_fds (c, ring_fd, table_fd, &att);

  if (r != 0)
    return r < 0 ? r : 0;
  return take_attachment (c, att, waited != 0);
}

/* What keeps the parent's locks. The memory goes with the child. */
static void
close_copies (fc_consumer_t *c)
{
  fc_attachment_t *att = c->att;

  fc_close_copy (&c->event_fd);
  if (att == NULL)
    return;
  fc_close_copy (&att->table.fd);
  fc_close_copy (&att->fd);
}

void
fc_consumer_close (fc_consumer_t *c)
{
  if (c == NULL)
    return;
  if (fc_is_copy (c->mark))
    {
      close_copies (c);
      return;
    }
  set_attachment (c, NULL);
  fc_consumer_unref (c);
}

/* Positions and counts ----------------------------------------------------- */

static int
say_detached (const fc_consumer_t *c)
{
  return fc_fail (-ENOENT, "slot %s is not attached: fc_consumer_attach ()",
                  c->slot);
}

int
fc_consumer_seek (fc_consumer_t *c, const fc_position_t *position)
{
  uint64_t seq;
  int r;

  if (c->att == NULL)
    return say_detached (c);
  r = fc_find_position (c, position, &seq);
  if (r == 0)
    begin_at (c, seq);
  return r;
}

int
fc_consumer_request_key_frame (fc_consumer_t *c)
{
  const fc_attachment_t *att = c->att;

  if (att == NULL)
    return say_detached (c);
  if (att->observing)
    return fc_fail (-EPERM, "%s: an observer can not ask for a key frame",
                    att->path);
  atomic_store_explicit (&att->entry->request, 1, memory_order_relaxed);
  return 0;
}

uint64_t
fc_consumer_write_cursor (fc_consumer_t *c)
{
  uint64_t head;

  return c->att != NULL && fc_load_head (c->att, &head) == 0 ? head : 0;
}

uint64_t
fc_consumer_dropped (fc_consumer_t *c)
{
  return c->dropped;
}

/* Frames that are decoded in another order than they are shown in are late by
 * turns, so that the newest alone does not tell. */
static uint64_t
observed_latency (fc_consumer_t *c, uint64_t head)
{
  const fc_attachment_t *att = c->att;
  uint64_t first = att->header.first_seq;
  uint64_t latency = 0;

  for (uint64_t n = 1; n <= OBSERVED_FRAMES && n + first <= head; n++)
    {
      fc_cell_header_t h;

      if (fc_look_at (c, head - n, &h) == 0 && h.commit_ns > h.capture_ns
          && h.commit_ns - h.capture_ns > latency)
        latency = h.commit_ns - h.capture_ns;
    }
  return latency;
}

int
fc_consumer_stats (fc_consumer_t *c, fc_consumer_stats_t *stats)
{
  const fc_attachment_t *att = c->att;
  int r = fc_check_struct ("fc_consumer_stats_t", stats->struct_size,
                           sizeof *stats);

  if (r < 0)
    return r;
  memset (stats, 0, sizeof *stats);
  stats->struct_size = sizeof *stats;
  stats->leases_out
      = atomic_load_explicit (&c->leases_out, memory_order_relaxed);
  stats->cursor = c->cursor;
  stats->first = c->first;
  stats->delivered = c->delivered;
  stats->dropped = c->dropped;
  stats->laps = c->laps;
  stats->total_delivered = c->total_delivered;
  stats->total_dropped = c->total_dropped;
  stats->dropped_keys = c->dropped_keys;
  stats->epoch = c->epoch == NO_EPOCH ? 0 : c->epoch;
  if (att == NULL)
    return 0;
  stats->observing = att->observing;
  stats->generation = att->header.generation;
  stats->ring_depth = att->geo.ring_depth;
  stats->frame_size = att->geo.frame_size;
  stats->head = fc_consumer_write_cursor (c);
  (void) fc_load_latency (att, &stats->latency_ns);
  stats->observed_latency_ns = observed_latency (c, stats->head);
  return 0;
}

/* What comes with the frames ---------------------------------------------- */

int
fc_consumer_format (fc_consumer_t *c, const void **data, size_t *size)
{
  fc_attachment_t *att = c->att;
  uint64_t bytes;
  int r;

  if (att == NULL)
    return say_detached (c);
  if (att->format == NULL)
    {
      r = fc_load_format_size (att, &bytes);
      if (r < 0)
        return r;
      if (bytes == 0 && att->header.reserved)
        return fc_fail (-EAGAIN,
                        "%s is reserved, and no writer has given its format "
                        "yet",
                        att->path);
      att->format = malloc ((size_t) bytes + 1);
      if (att->format == NULL)
        return fc_fail (-ENOMEM, "out of memory");
      r = fc_pread (att->fd, att->format, (size_t) bytes,
                    att->geo.format_offset, att->path);
      if (r < 0)
        {
          free (att->format);
          att->format = NULL;
          return r;
        }
      att->format[bytes] = '\0';
      atomic_store_explicit (&att->header.format_size, bytes,
                             memory_order_relaxed);
    }
  *data = att->format;
  *size = (size_t) atomic_load_explicit (&att->header.format_size,
                                         memory_order_relaxed);
  return 0;
}

/* Copy SIZE bytes of a sticky place to DATA: by words, or by an observer at
 * once. */
static int
copy_words (const fc_attachment_t *att, uint64_t at, uint8_t *data, size_t size)
{
  if (att->observing)
    return fc_pread (att->fd, data, size, at, att->path);
  for (size_t i = 0; i < size; i += 8)
    {
      uint64_t word = fc_load_word (att, at + i);

      memcpy (data + i, &word, size - i < 8 ? size - i : 8);
    }
  return 0;
}

/* One copy of the sticky block; 1 where it was replaced meanwhile. */
static int
copy_sticky (const fc_attachment_t *att, uint8_t *data, size_t capacity,
             size_t *size, uint32_t *serial)
{
  uint64_t at = att->geo.sticky_offset;
  uint64_t bytes = 0;
  uint32_t again;
  int r = fc_load_serial (att, serial);

  at += *serial % 2 * sizeof (fc_sticky_t);
  if (r == 0 && *serial > 0)
    r = copy_words (att, at, (uint8_t *) &bytes, sizeof bytes);
  if (r == 0 && bytes <= FC_STICKY_MAX)
    r = copy_words (att, at + sizeof bytes, data,
                    bytes < capacity ? (size_t) bytes : capacity);
  if (r < 0)
    return r;
  /* copy_sticky:A, pairs with fc_generation_write_sticky:A. */
  fc_fence (memory_order_acquire);
  r = fc_load_serial (att, &again);
  if (r < 0 || again != *serial)
    return r < 0 ? r : 1;
  if (bytes > FC_STICKY_MAX)
    return fc_fail (-EPROTO, "%s is damaged: its sticky block is too long",
                    att->path);
  *size = (size_t) bytes;
  if (bytes > capacity)
    return fc_fail (-EMSGSIZE,
                    "the sticky block has %zu bytes, the buffer given %zu",
                    *size, capacity);
  return 0;
}

int
fc_consumer_sticky (fc_consumer_t *c, void *data, size_t capacity, size_t *size,
                    uint32_t *serial)
{
  const fc_attachment_t *att = c->att;
  uint32_t own_serial;
  size_t own_size;
  int r = 1;

  if (att == NULL)
    return say_detached (c);
  if (size == NULL)
    size = &own_size;
  if (serial == NULL)
    serial = &own_serial;
  for (int tries = 0; r == 1 && tries < STICKY_TRIES; tries++)
    r = copy_sticky (att, data, capacity, size, serial);
  if (r == 1)
    return fc_fail (-EAGAIN, "%s: its sticky block is replaced all the time",
                    att->path);
  return r;
}
