/* framecache: a slot that is looked at again and again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_TRACKED_H
#define FCR_TRACKED_H

#include "rates.h"
#include "store.h"

G_BEGIN_DECLS

typedef struct
{
  FcrSlot slot; /* what others see */
  fc_slot_view_t *view;
  gboolean looked;     /* SLOT is filled in */
  gint64 looked_at;    /* monotonic, us */
  guint64 live_since;  /* monotonic, ns; when a writer was first seen, 0: in
                          the first look */
  guint32 format_size; /* that slot.format was read at */
  FcrRates rates;
  GArray *told;     /* the consumers that signals have told of */
  gboolean changed; /* since slot-changed */
  gboolean urgent;  /* the state, or the generation, did */
} FcrTracked;

FcrTracked *fcr_tracked_new (const gchar *name);
void fcr_tracked_free (FcrTracked *tracked);

typedef enum
{
  FCR_LOOK_AGAIN = 0,
  FCR_LOOK_ANEW = 1 << 0,  /* at whatever has the name now */
  FCR_LOOK_SECOND = 1 << 1 /* the look of once a second: of it are the rates */
} FcrLookFlags;

/* Returns 0, or libfc's error: -ENOENT where the slot is gone. */
int fcr_tracked_look (FcrTracked *tracked, const gchar *dir,
                      FcrLookFlags flags);

typedef enum
{
  FCR_CONSUMER_ATTACHED,
  FCR_CONSUMER_DETACHED,
  FCR_CONSUMER_LAPPED /* DROPPED frames since the last time */
} FcrConsumerEvent;

typedef void (*FcrConsumerFunc) (FcrTracked *tracked, FcrConsumerEvent event,
                                 const FcrConsumer *consumer, guint64 dropped,
                                 gpointer user_data);

/* Tell what became of the consumers since the last time. */
void fcr_tracked_tell_consumers (FcrTracked *tracked, FcrConsumerFunc func,
                                 gpointer user_data);

G_END_DECLS

#endif /* FCR_TRACKED_H */
