/* framecache: what comes and goes in the slot directories
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SLOT_WATCH_H
#define GST_FC_SLOT_WATCH_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstFcSlotWatch GstFcSlotWatch;

/* Something happened to SLOT's files, which may not be a slot's name at all;
 * or to any number of slots, where SLOT is NULL. */
typedef void (*GstFcSlotWatchFunc) (const gchar *slot, gpointer user_data);

/* Watch the directories in which a consumer looks, which need not exist. What
 * happens from here on is told once it is started. NULL with errno where the
 * system lets this user watch no more. */
GstFcSlotWatch *gst_fc_slot_watch_new (void);

/* Call FUNC from a thread of the watch's own, until it is freed. */
void gst_fc_slot_watch_start (GstFcSlotWatch *self, GstFcSlotWatchFunc func,
                              gpointer user_data);

/* Waits for FUNC to return. Takes NULL. */
void gst_fc_slot_watch_free (GstFcSlotWatch *self);

G_END_DECLS

#endif /* GST_FC_SLOT_WATCH_H */
