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

static int
find_key (fc_consumer_t *c, uint64_t head, uint64_t *seq)
{
  const fc_attachment_t *att = c->att;
  fc_cell_header_t header;
  int error = 0;
  int r;

  *seq = head;
  if (head == att->header.first_seq)
    return 0;
  r = fc_look_at (c, head - 1, &header);
  if (r < 0)
    return r;
  if (r == 0 && header.key_seq < head && header.key_seq >= edge (att, head)
      && is_there (att, header.key_seq, &error))
    *seq = header.key_seq;
  return error;
}

static int
find_time (fc_consumer_t *c, uint64_t head, uint64_t when, uint64_t *seq)
{
  fc_cell_header_t header;
  uint64_t at;

  for (at = edge (c->att, head); at < head; at++)
    {
      int r = fc_look_at (c, at, &header);

      if (r < 0)
        return r;
      if (r == 0 && header.capture_ns >= when)
        {
          *seq = at;
          return 0;
        }
    }
  return fc_fail (-ENOENT, "%s: no frame was captured at or after %llu ns yet",
                  ((fc_attachment_t *) c->att)->path,
                  (unsigned long long) when);
}

int
fc_find_position (fc_consumer_t *c, const fc_position_t *position,
                  uint64_t *seq)
{
  const fc_attachment_t *att = c->att;
  uint64_t head;
  int r = fc_load_head (att, &head);

  if (r < 0)
    return r;
  if (head < att->header.first_seq)
    return fc_fail (-EPROTO,
                    "%s is damaged: its write cursor is before its first "
                    "frame; restart its writer, or remove the slot",
                    att->path);
  switch (position->start)
    {
    case FC_START_LIVE:
      *seq = head;
      return 0;
    case FC_START_LATEST:
      return find_latest (att, head, seq);
    case FC_START_OLDEST:
      return find_oldest (att, head, position->back, seq);
    case FC_START_KEY:
      return find_key (c, head, seq);
    case FC_START_SEQ:
      if (position->value > head)
        return fc_fail (-ENOENT,
                        "%s: frame %llu is not written yet; the next one is "
                        "%llu",
                        att->path, (unsigned long long) position->value,
                        (unsigned long long) head);
      *seq = edge (att, head);
      return first_there (att, position->value > *seq ? position->value : *seq,
                          head, seq);
    case FC_START_TIME:
      return find_time (c, head, position->value, seq);
    }
  return fc_fail (-EINVAL, "no such start position: %d", (int) position->start);
}

/* The first key frame from SEQ on, or the newest frame. */
static int
next_key (fc_consumer_t *c, uint64_t seq, uint64_t head, uint64_t *found)
{
  fc_cell_header_t header;

  for (*found = seq; *found + 1 < head; ++*found)
    {
      int r = fc_look_at (c, *found, &header);

      if (r < 0)
        return r;
      if (r == 0 && (header.flags & FC_FRAME_KEY) != 0)
        break;
    }
  return 0;
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
      return next_key (c, margin, head, seq);
    }
  return fc_fail (-EINVAL, "no such on_lap: %d", (int) c->options.on_lap);
}
