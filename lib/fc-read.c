/* Reading frames: where the cursor is, leases, copies, and exact counts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fc-consumer.h"

/* So often a frame may be gone by the time it was copied before a reader looks
 * at the clock: one that asks for what there is gets it from a fast writer. */
#define TRIES 16

/* What peek () found. */
#define FOUND 1
#define LAPPED 2

static void
count_lost (fc_consumer_t *c, uint64_t n)
{
  c->cursor += n;
  c->dropped += n;
  c->total_dropped += n;
  if (c->unreported == 0)
    c->laps++;
  c->unreported += n;
}

/* Every frame was taken: how the ring ended, or 0. */
static int
ended (const fc_attachment_t *att, uint32_t state)
{
  switch (state)
    {
    case FC_STATE_EOS:
      return fc_fail (FC_EOS, "%s: the stream ended", att->path);
    case FC_STATE_REPLACED:
      return fc_fail (FC_REPLACED,
                      "%s was replaced by a new generation: attach again",
                      att->path);
    case FC_STATE_REMOVED:
      return fc_fail (FC_REPLACED, "%s was removed: attach again", att->path);
    default:
      return 0;
    }
}

/* Find the frame at the cursor: its word in the map, and FOUND; 0 where there
 * is none yet; LAPPED where the writer ran ahead at every look; or how it
 * ended. A history that stands still is looked through in one call. */
FC_HOT static int
peek (fc_consumer_t *c, uint64_t *word)
{
  const fc_attachment_t *att = c->att;

  for (uint32_t looks = att->geo.ring_depth + 2; looks > 0; looks--)
    {
      uint32_t state;
      uint64_t head = 0, to = 0;
      int r = fc_load_state (att, &state);

      if (r == 0)
        r = fc_load_head (att, &head);
      if (r < 0)
        return r;
      if (head == c->cursor)
        return ended (att, state);
      if (head < c->cursor)
        return fc_say_damaged (att, "its write cursor went back");
      if (head - c->cursor > att->geo.ring_depth)
        {
          r = fc_find_lap (c, head, &to);
          if (r < 0)
            return r;
          count_lost (c, to - c->cursor);
          continue;
        }
      r = fc_load_map (att, c->cursor, word);
      if (r < 0)
        return r;
      if (FC_MAP_IS (*word, c->cursor))
        return FOUND;
      count_lost (c, 1);
    }
  return LAPPED;
}

/* A copy is a lease for as long as the copy lasts. */
static int
copy (fc_consumer_t *c, uint64_t word, fc_frame_t *frame)
{
  fc_attachment_t *att = c->att;
  uint32_t k = att->geo.leases - 1;
  uint32_t cell = FC_MAP_CELL (word);
  const fc_cell_header_t *h;
  const uint8_t *from;
  void *into;
  int r;

  if (att->observing)
    return fc_observer_copy (c, word, frame);
  h = &att->headers[cell];
  r = fc_claim (att, c->cursor, word, k);
  if (r != 0)
    return r;
  from = att->base + fc_cell_offset (&att->geo, cell);
  r = fc_fill_frame (att, h, frame);
  if (r == 0)
    {
      into = fc_copy_target (c, frame, frame->size, &r);
      if (into != NULL)
        {
          memcpy (into, from, frame->size);
          memcpy (c->meta, from + att->geo.meta_offset, frame->info.meta_size);
          frame->data = into;
          frame->info.meta = frame->info.meta_size > 0 ? c->meta : NULL;
        }
    }
  /* copy:A, pairs with fc_cells_get:A: whom the slot trusts could
   * have cleared the lease. */
  fc_fence (memory_order_acquire);
  if (r == 0
      && atomic_load_explicit (&h->seq, memory_order_relaxed) != c->cursor)
    r = 1;
  fc_end_lease (att, k);
  return r;
}

FC_HOT static int
lease (fc_consumer_t *c, uint64_t word, uint32_t k, fc_frame_t *frame)
{
  fc_attachment_t *att = c->att;
  uint32_t cell = FC_MAP_CELL (word);
  const fc_cell_header_t *h = &att->headers[cell];
  const uint8_t *from;
  int r = fc_claim (att, c->cursor, word, k);

  if (r != 0)
    return r;
  r = fc_fill_frame (att, h, frame);
  /* lease:A, pairs with fc_cells_get:A: what was told of the frame is this
   * frame's, also where whom the slot trusts cleared the lease meanwhile. */
  fc_fence (memory_order_acquire);
  if (r == 0
      && atomic_load_explicit (&h->seq, memory_order_relaxed) != c->cursor)
    r = 1;
  if (r != 0)
    {
      fc_end_lease (att, k);
      return r;
    }
  from = att->base + fc_cell_offset (&att->geo, cell);
  frame->data = (void *) from;
  frame->capacity = frame->size;
  if (frame->info.meta_size > 0)
    frame->info.meta = from + att->geo.meta_offset;
  frame->hold[0] = att;
  frame->hold[1] = (void *) (uintptr_t) k;
  atomic_store_explicit (&att->busy[k], 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&att->refs, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&c->refs, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&c->leases_out, 1, memory_order_relaxed);
  return 0;
}

FC_HOT static int
free_lease (const fc_attachment_t *att)
{
  for (uint32_t k = 0; k + 1 < att->geo.leases; k++)
    /* free_lease:A, pairs with fc_consumer_release:A. */
    if (atomic_load_explicit (&att->busy[k], memory_order_acquire) == 0)
      return (int) k;
  return fc_fail (-EAGAIN,
                  "all %u leases of this consumer are out; release one, or "
                  "copy (fc_consumer_read)",
                  att->geo.leases - 1);
}

FC_HOT static void
show (fc_consumer_t *c)
{
  const fc_attachment_t *att = c->att;

  if (att->observing)
    return;
  atomic_store_explicit (&att->entry->cursor, c->cursor, memory_order_relaxed);
  atomic_store_explicit (&att->entry->delivered, c->delivered,
                         memory_order_relaxed);
  atomic_store_explicit (&att->entry->dropped, c->dropped,
                         memory_order_relaxed);
}

/* Each frame tells how many key frames there were up to it: what that grew by
 * since the last one is what was missed. A count that can not be right, from a
 * damaged ring, counts for nothing. */
static uint64_t
missed_keys (fc_consumer_t *c, const fc_frame_t *frame)
{
  uint64_t before = frame->keys;
  uint64_t missed = 0;

  if ((frame->info.flags & FC_FRAME_KEY) != 0 && before > 0)
    before--;
  if (before > c->keys && before - c->keys <= c->unreported)
    missed = before - c->keys;
  c->keys = frame->keys;
  return missed;
}

FC_HOT static int
deliver (fc_consumer_t *c, fc_frame_t *frame)
{
  frame->dropped = c->unreported;
  frame->dropped_keys = missed_keys (c, frame);
  c->dropped_keys += frame->dropped_keys;
  if (frame->epoch != c->epoch || frame->generation != c->generation)
    {
      if (c->epoch != 0)
        frame->info.flags |= FC_FRAME_EPOCH;
      c->epoch = frame->epoch;
      c->generation = frame->generation;
    }
  c->unreported = 0;
  c->cursor++;
  c->delivered++;
  c->total_delivered++;
  show (c);
  return frame->dropped > 0 ? FC_DROPPED : FC_OK;
}

/* Take the frame at the cursor, with the lease K or, where that is -1, by a
 * copy: FOUND, 0 where there is none yet, LAPPED where it is gone, or an
 * error. */
FC_HOT static int
take (fc_consumer_t *c, fc_frame_t *frame, int k)
{
  uint64_t word = 0;
  int r = peek (c, &word);

  if (r != FOUND)
    return r;
  r = k < 0 ? copy (c, word, frame) : lease (c, word, (uint32_t) k, frame);
  if (r <= 0)
    return r < 0 ? r : FOUND;
  count_lost (c, 1);
  return LAPPED;
}

FC_HOT static int
next_frame (fc_consumer_t *c, fc_frame_t *frame, int64_t timeout, int k)
{
  uint64_t until = 0;
  unsigned tries = 0;
  int r = fc_check_struct ("fc_frame_t", frame->struct_size, sizeof *frame);

  if (r < 0)
    return r;
  if (c->att == NULL)
    return fc_fail (-ENOENT, "slot %s is not attached: fc_consumer_attach ()",
                    c->slot);
  do
    {
      r = take (c, frame, k);
      if (r == FOUND)
        return deliver (c, frame);
      if (r < 0)
        break;
      if (until == 0)
        until = fc_deadline (timeout);
      if (r == 0)
        r = fc_consumer_wait (c, until);
      /* Who is lapped at each try gets no frame at all, and ends in time. */
      else if (++tries % TRIES == 0)
        r = fc_consumer_may_go_on (c, until);
    }
  while (r >= 0);
  show (c);
  return r;
}

FC_HOT int
fc_consumer_lease (fc_consumer_t *c, fc_frame_t *frame, int64_t timeout)
{
  const fc_attachment_t *att = c->att;
  int k = 0;

  frame->hold[0] = NULL;
  if (att != NULL && att->observing)
    return fc_fail (-EPERM,
                    "%s: an observer has no leases; copy (fc_consumer_read)",
                    att->path);
  if (att != NULL)
    k = free_lease (att);
  if (k < 0)
    return k;
  return next_frame (c, frame, timeout, k);
}

int
fc_consumer_read (fc_consumer_t *c, fc_frame_t *frame, int64_t timeout)
{
  uint8_t *given;
  int r;

  /* Where the frame still has a lease, its data is that of the ring. */
  if (frame->hold[0] != NULL)
    frame->data = NULL;
  frame->hold[0] = NULL;
  given = frame->data;
  r = next_frame (c, frame, timeout, -1);

  if (r < 0)
    frame->data = given;
  return r;
}

FC_HOT void
fc_consumer_release (fc_consumer_t *c, fc_frame_t *frame)
{
  fc_attachment_t *att = frame->hold[0];
  uint32_t k = (uint32_t) (uintptr_t) frame->hold[1];

  if (att == NULL || fc_is_copy (c->mark))
    return;
  frame->hold[0] = NULL;
  frame->data = NULL;
  frame->capacity = 0;
  frame->info.meta = NULL;
  fc_end_lease (att, k);
  /* fc_consumer_release:A, pairs with free_lease:A. */
  atomic_store_explicit (&att->busy[k], 0, memory_order_release);
  atomic_fetch_sub_explicit (&c->leases_out, 1, memory_order_relaxed);
  fc_attachment_unref (att);
  fc_consumer_unref (c);
}

int
fc_frame_intact (fc_consumer_t *c, const fc_frame_t *frame)
{
  const fc_attachment_t *att = frame->hold[0];
  uint32_t k = (uint32_t) (uintptr_t) frame->hold[1];
  uint64_t at, cell;

  if (att == NULL)
    return 0;
  at = (uint64_t) ((const uint8_t *) frame->data - att->base);
  cell = (at - att->geo.cells_offset) / att->geo.cell_stride;
  /* fc_frame_intact:A, pairs with fc_cells_get:A. */
  fc_fence (memory_order_acquire);
  return atomic_load_explicit (&att->headers[cell].seq, memory_order_relaxed)
             == frame->seq
         && atomic_load_explicit (fc_lease_word (att, k), memory_order_relaxed)
                == cell + 1;
}
