/* framecache: a slot that is looked at again and again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "tracked.h"

#define NS_PER_S G_GUINT64_CONSTANT (1000000000)
#define STALLED_NS (2 * NS_PER_S)
#define STALLED_FRAMES 5.0
#define STALLED_MAX_S 1e6 /* whatever rate a ring claims */
/* A slot whose ring is replaced in the very moment is opened again. */
#define OPEN_TRIES 5

FcrTracked *
fcr_tracked_new (const gchar *name)
{
  FcrTracked *tracked = g_new0 (FcrTracked, 1);

  tracked->slot.name = g_strdup (name);
  tracked->slot.format = g_strdup ("");
  tracked->slot.consumers = g_array_new (FALSE, TRUE, sizeof (FcrConsumer));
  tracked->told = g_array_new (FALSE, TRUE, sizeof (FcrConsumer));
  return tracked;
}

void
fcr_tracked_free (FcrTracked *tracked)
{
  fc_slot_view_close (tracked->view);
  g_array_unref (tracked->told);
  g_array_unref (tracked->slot.consumers);
  g_free (tracked->slot.format);
  g_free (tracked->slot.name);
  g_free (tracked);
}

/* Looking ------------------------------------------------------------------ */

static int
stat_view (FcrTracked *tracked, const gchar *dir, gboolean *opened,
           fc_slot_stat_t *stat)
{
  int r = FC_REPLACED;

  for (guint i = 0; r == FC_REPLACED && i < OPEN_TRIES; i++)
    {
      if (tracked->view == NULL)
        {
          r = fc_slot_view_open (&tracked->view, dir, tracked->slot.name);
          if (r < 0)
            return r;
          *opened = TRUE;
        }
      *stat = (fc_slot_stat_t){ .struct_size = sizeof *stat };
      r = fc_slot_view_stat (tracked->view, stat);
      if (r < 0)
        g_clear_pointer (&tracked->view, fc_slot_view_close);
    }
  return r;
}

/* A ring has one format for life; a reserved one may be without it at first. */
static void
read_format (FcrTracked *tracked, gboolean opened)
{
  const fc_slot_stat_t *stat = &tracked->slot.stat;
  g_autofree gchar *format = NULL;
  gsize size = 0;

  if (!opened && tracked->format_size == stat->format_size)
    return;
  format = g_malloc0 (stat->format_size + 1);
  if (fc_slot_view_format (tracked->view, format, stat->format_size, &size) < 0
      || !g_utf8_validate_len (format, size, NULL))
    size = 0;
  format[size] = '\0';
  tracked->format_size = stat->format_size;
  if (strcmp (format, tracked->slot.format) == 0)
    return;
  g_free (tracked->slot.format);
  tracked->slot.format = g_steal_pointer (&format);
  tracked->changed = TRUE;
}

static int
add_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  FcrTracked *tracked = user_data;
  guint64 head = tracked->slot.stat.head;
  FcrConsumer consumer
      = { *stat, head > stat->cursor ? head - stat->cursor : 0 };

  g_array_append_val (tracked->slot.consumers, consumer);
  return 0;
}

static void
read_consumers (FcrTracked *tracked)
{
  g_array_set_size (tracked->slot.consumers, 0);
  if (tracked->slot.stat.consumers > 0)
    (void) fc_slot_view_consumers (tracked->view, add_consumer, tracked);
}

/* All but cursors and counters. */
static gboolean
is_same (const fc_slot_stat_t *a, const fc_slot_stat_t *b)
{
  return strcmp (a->dir, b->dir) == 0 && a->frame_size == b->frame_size
         && a->ring_depth == b->ring_depth
         && a->max_consumers == b->max_consumers && a->leases == b->leases
         && a->writer_cells == b->writer_cells && a->access == b->access
         && a->trust == b->trust && a->reserved == b->reserved
         && a->generation == b->generation && a->epoch == b->epoch
         && a->writer_pid == b->writer_pid && a->writer_uid == b->writer_uid
         && a->consumers == b->consumers
         && a->bytes_allocated == b->bytes_allocated
         && a->bytes_planned == b->bytes_planned
         && a->latency_ns == b->latency_ns
         && a->created_wall_ns == b->created_wall_ns && a->owner == b->owner
         && a->group == b->group;
}

/* A writer that came has as long for its first frame as for any other. */
static void
note_writer (FcrTracked *tracked, const fc_slot_stat_t *stat, guint64 now)
{
  const fc_slot_stat_t *before = &tracked->slot.stat;

  if (!tracked->looked)
    tracked->live_since = stat->newest_commit_ns != FC_TIME_NONE ? 0 : now;
  else if (before->state != stat->state || before->epoch != stat->epoch
           || before->generation != stat->generation)
    tracked->live_since = now;
}

static FcrState
state_of (FcrTracked *tracked, const fc_slot_stat_t *stat, guint64 now)
{
  gdouble rate
      = tracked->looked ? tracked->rates.frames.told : stat->frame_rate;
  guint64 last = tracked->live_since;
  guint64 patience = STALLED_NS;

  if (stat->state == FC_STATE_RESERVED)
    return FCR_STATE_RESERVED;
  if (stat->state == FC_STATE_EOS)
    return FCR_STATE_EOS;
  if (stat->state != FC_STATE_LIVE)
    return FCR_STATE_LOST;
  if (stat->newest_commit_ns != FC_TIME_NONE)
    last = MAX (last, stat->newest_commit_ns);
  if (rate > 0)
    patience
        = MAX (patience, (guint64) (MIN (STALLED_FRAMES / rate, STALLED_MAX_S)
                                    * NS_PER_S));
  return now > last && now - last > patience ? FCR_STATE_STALLED
                                             : FCR_STATE_LIVE;
}

static void
update_rates (FcrTracked *tracked, gboolean first)
{
  FcrSlot *slot = &tracked->slot;

  if (slot->state != FCR_STATE_LIVE)
    fcr_rates_stop (&tracked->rates, &slot->stat);
  else if (first)
    fcr_rates_begin (&tracked->rates, &slot->stat);
  else
    fcr_rates_update (&tracked->rates, &slot->stat);
  if (slot->frame_rate != tracked->rates.frames.told
      || slot->bit_rate != tracked->rates.bits.told)
    tracked->changed = TRUE;
  slot->frame_rate = tracked->rates.frames.told;
  slot->bit_rate = tracked->rates.bits.told;
}

int
fcr_tracked_look (FcrTracked *tracked, const gchar *dir, FcrLookFlags flags)
{
  guint64 now = (guint64) g_get_monotonic_time () * 1000;
  FcrSlot *slot = &tracked->slot;
  gboolean opened = FALSE;
  fc_slot_stat_t stat;
  FcrState state;
  int r;

  tracked->looked_at = (gint64) (now / 1000);
  if (flags & FCR_LOOK_ANEW)
    g_clear_pointer (&tracked->view, fc_slot_view_close);
  r = stat_view (tracked, dir, &opened, &stat);
  if (r < 0)
    return r;
  note_writer (tracked, &stat, now);
  state = state_of (tracked, &stat, now);
  if (tracked->looked
      && (state != slot->state || stat.generation != slot->stat.generation))
    tracked->urgent = TRUE;
  if (tracked->looked && !is_same (&slot->stat, &stat))
    tracked->changed = TRUE;
  slot->stat = stat;
  slot->state = state;
  read_format (tracked, opened);
  read_consumers (tracked);
  if (!tracked->looked || (flags & FCR_LOOK_SECOND))
    update_rates (tracked, !tracked->looked);
  if (!tracked->looked)
    tracked->changed = FALSE;
  tracked->looked = TRUE;
  return 0;
}

/* Consumers ---------------------------------------------------------------- */

static gboolean
is_same_consumer (const FcrConsumer *a, const FcrConsumer *b)
{
  return a->stat.entry == b->stat.entry && a->stat.pid == b->stat.pid
         && a->stat.attached_wall_ns == b->stat.attached_wall_ns;
}

static const FcrConsumer *
find_consumer (const GArray *consumers, const FcrConsumer *which)
{
  for (guint i = 0; i < consumers->len; i++)
    if (is_same_consumer (&g_array_index (consumers, FcrConsumer, i), which))
      return &g_array_index (consumers, FcrConsumer, i);
  return NULL;
}

void
fcr_tracked_tell_consumers (FcrTracked *tracked, FcrConsumerFunc func,
                            gpointer user_data)
{
  GArray *now = tracked->slot.consumers;
  g_autoptr (GArray) before = tracked->told;

  tracked->told = g_array_copy (now);
  for (guint i = 0; i < before->len; i++)
    {
      const FcrConsumer *was = &g_array_index (before, FcrConsumer, i);

      if (find_consumer (tracked->told, was) == NULL)
        func (tracked, FCR_CONSUMER_DETACHED, was, 0, user_data);
    }
  for (guint i = 0; i < tracked->told->len; i++)
    {
      const FcrConsumer *is = &g_array_index (tracked->told, FcrConsumer, i);
      const FcrConsumer *was = find_consumer (before, is);
      guint64 dropped = was != NULL ? was->stat.dropped : 0;

      if (was == NULL)
        func (tracked, FCR_CONSUMER_ATTACHED, is, 0, user_data);
      if (is->stat.dropped > dropped)
        func (tracked, FCR_CONSUMER_LAPPED, is, is->stat.dropped - dropped,
              user_data);
    }
}
