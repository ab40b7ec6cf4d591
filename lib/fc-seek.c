/* Positions in the history: where reading begins, and where it goes on after
 * a lap.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-consumer.h"

/* The seq of the oldest place, whether or not a frame is in it. */
static uint64_t
edge (const fc_attachment_t *att, uint64_t head)
{
  uint64_t have = head - att->header.first_seq;

  return head - (have < att->geo.ring_depth ? have : att->geo.ring_depth);
}

static bool
is_there (const fc_attachment_t *att, uint64_t seq, int *error)
{
  uint64_t word;

  *error = fc_load_map (att, seq, &word);
  return *error == 0 && FC_MAP_IS (word, seq);
}

/* From SEQ on, the first frame that is in the map; HEAD where none is. */
static int
first_there (const fc_attachment_t *att, uint64_t seq, uint64_t head,
             uint64_t *found)
{
  int error = 0;

  while (seq < head && !is_there (att, seq, &error))
    {
      if (error < 0)
        return error;
      seq++;
    }
  *found = seq;
  return 0;
}

int
fc_oldest (const fc_attachment_t *att, uint64_t head, uint64_t *oldest)
{
  return first_there (att, edge (att, head), head, oldest);
}

static int
find_oldest (const fc_attachment_t *att, uint64_t head, uint32_t back,
             uint64_t *seq)
{
  uint64_t from = edge (att, head);

  if (back > 0 && head - from > back)
    from = head - back;
  return first_there (att, from, head, seq);
}

static int
find_latest (const fc_attachment_t *att, uint64_t head, uint64_t *seq)
{
  int error = 0;

  *seq = head;
  if (head > att->header.first_seq && is_there (att, head - 1, &error))
    *seq = head - 1;
  return error;
}

/* The newest key frame up to SEQ that is in the history; HEAD where none is.
 * Below HEAD any frame names the newest key frame up to itself. */
static int
key_before (fc_consumer_t *c, uint64_t seq, uint64_t head, uint64_t *found)
{
  const fc_attachment_t *att = c->att;
  fc_cell_header_t header;
  int error = 0;
  int r;

  *found = head;
  if (head == att->header.first_seq)
    return 0;
  r = fc_look_at (c, seq < head ? seq : head - 1, &header);
  if (r < 0)
    return r;
  if (r == 0 && header.key_seq <= seq && header.key_seq >= edge (att, head)
      && is_there (att, header.key_seq, &error))
    *found = header.key_seq;
  return error;
}

/* The first key frame from SEQ on; HEAD where there is none. */
static int
key_after (fc_consumer_t *c, uint64_t seq, uint64_t head, uint64_t *found)
{
  fc_cell_header_t header;

  for (*found = seq; *found < head; ++*found)
    {
      int r = fc_look_at (c, *found, &header);

      if (r < 0)
        return r;
      if (r == 0 && (header.flags & FC_FRAME_KEY) != 0)
        break;
    }
  return 0;
}

/* Whether the slot ever had a key frame, by its newest frame. */
static int
has_keys (fc_consumer_t *c, uint64_t head, bool *has)
{
  fc_cell_header_t header;
  int r;

  *has = false;
  if (head == ((fc_attachment_t *) c->att)->header.first_seq)
    return 0;
  r = fc_look_at (c, head - 1, &header);
  *has = r == 0 && header.key_seq < head;
  return r < 0 ? r : 0;
}

/* From the frame *SEQ, or HEAD, to one that decoding can start at. */
static int
round_to_key (fc_consumer_t *c, fc_start_t start, uint64_t head, uint64_t *seq)
{
  bool after_first = start == FC_START_OLDEST || start == FC_START_MARGIN;
  uint64_t wanted = *seq;
  bool has;
  int r = has_keys (c, head, &has);

  if (r < 0 || !has)
    return r;
  r = after_first ? key_after (c, wanted, head, seq)
                  : key_before (c, wanted, head, seq);
  if (r < 0 || *seq < head)
    return r;
  return after_first ? key_before (c, wanted, head, seq)
                     : key_after (c, wanted, head, seq);
}

uint64_t
fc_keys_before (fc_consumer_t *c, uint64_t seq)
{
  const fc_attachment_t *att = c->att;
  fc_cell_header_t header;

  if (seq <= att->header.first_seq)
    return att->header.first_keys;
  if (fc_look_at (c, seq - 1, &header) == 0)
    return header.keys;
  if (fc_look_at (c, seq, &header) != 0)
    return UINT64_MAX;
  return header.keys - ((header.flags & FC_FRAME_KEY) != 0);
}

static int
find_seq (const fc_attachment_t *att, uint64_t head, uint64_t wanted,
          uint64_t *seq)
{
  if (wanted > head)
    return fc_fail (-ENOENT,
                    "%s: frame %llu is not written yet; the next one is "
                    "%llu",
                    att->path, (unsigned long long) wanted,
                    (unsigned long long) head);
  *seq = edge (att, head);
  return first_there (att, wanted > *seq ? wanted : *seq, head, seq);
}

/* -ENOENT leaves HEAD in *SEQ. */
static int
find_time (fc_consumer_t *c, uint64_t head, uint64_t when, uint64_t *seq)
{
  const fc_attachment_t *att = c->att;
  fc_cell_header_t header;

  for (*seq = edge (att, head); *seq < head; ++*seq)
    {
      int r = fc_look_at (c, *seq, &header);

      if (r < 0)
        return r;
      if (r == 0 && fc_time_here (header.capture_ns, att->clock) >= when)
        return 0;
    }
  return fc_fail (-ENOENT, "%s: no frame was captured at or after %llu ns yet",
                  att->path, (unsigned long long) when);
}

/* The frame that POSITION names but for its key. */
static int
find_frame (fc_consumer_t *c, const fc_position_t *position, uint64_t head,
            uint64_t *seq)
{
  const fc_attachment_t *att = c->att;
  uint32_t depth = att->geo.ring_depth;
  uint64_t now = fc_now (CLOCK_MONOTONIC);

  switch (position->start)
    {
    case FC_START_LIVE:
      *seq = head;
      return 0;
    case FC_START_LATEST:
      return find_latest (att, head, seq);
    case FC_START_OLDEST:
      return find_oldest (att, head, position->back, seq);
    case FC_START_MARGIN:
      return find_oldest (att, head, depth - depth / 4, seq);
    case FC_START_KEY:
      return key_before (c, head, head, seq);
    case FC_START_SEQ:
      return find_seq (att, head, position->value, seq);
    case FC_START_TIME:
      return find_time (c, head, position->value, seq);
    case FC_START_AGO:
      return find_time (c, head,
                        now > position->value ? now - position->value : 0, seq);
    }
  return fc_fail (-EINVAL, "no such start position: %d", (int) position->start);
}

int
fc_find_position (fc_consumer_t *c, const fc_position_t *position,
                  uint64_t *seq)
{
  const fc_attachment_t *att = c->att;
  uint64_t head;
  int missing, r = fc_load_head (att, &head);

  if (r < 0)
    return r;
  if (head < att->header.first_seq)
    return fc_fail (-EPROTO,
                    "%s is damaged: its write cursor is before its first "
                    "frame; restart its writer, or remove the slot",
                    att->path);
  if (position->key > 1)
    return fc_fail (-EINVAL, "position.key is 0 or 1, not %u", position->key);
  r = find_frame (c, position, head, seq);
  if (!position->key || position->start <= FC_START_LATEST
      || position->start == FC_START_KEY
      || (r != 0 && (r != -ENOENT || position->start == FC_START_SEQ)))
    return r;
  missing = r;
  r = round_to_key (c, position->start, head, seq);
  return r == 0 && *seq == head ? missing : r;
}

/* The newest key frame, unless it is about to go, or the newest frame. */
static int
lap_to_key (fc_consumer_t *c, uint64_t margin, uint64_t head, uint64_t *seq)
{
  int r = key_before (c, head, head, seq);

  if (r == 0 && (*seq < margin || *seq == head))
    *seq = head - 1;
  return r;
}

int
fc_find_lap (fc_consumer_t *c, uint64_t head, uint64_t *seq)
{
  uint32_t depth = ((fc_attachment_t *) c->att)->geo.ring_depth;
  uint64_t margin = head - (depth - depth / 4);

  switch (c->options.on_lap)
    {
    case FC_ON_LAP_OLDEST:
      *seq = head - depth;
      return 0;
    case FC_ON_LAP_MARGIN:
      *seq = margin;
      return 0;
    case FC_ON_LAP_LATEST:
      *seq = head - 1;
      return 0;
    case FC_ON_LAP_KEY:
      return lap_to_key (c, margin, head, seq);
    }
  return fc_fail (-EINVAL, "no such on_lap: %d", (int) c->options.on_lap);
}
