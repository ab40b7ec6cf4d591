/* framecache: a slot by way of the registry on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_BUS_H
#define GST_FC_BUS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Asks the registry on the session bus, then the one on the system bus, for
 * the descriptors of a slot, until it is freed: again whenever a registry
 * comes, goes or tells of the slot, and now and then. A slot, a registry or a
 * bus that is not there is only a reason to ask again. It does so on a thread
 * of its own, and not after an answer. */
typedef struct _GstFcBus GstFcBus;

/* There is an answer to take; or where not ANSWERED, each was asked once.
 * Called on that thread. */
typedef void (*GstFcBusFunc) (gboolean answered, gpointer user_data);

/* DIRECTORY: only a registry of that one is asked; NULL: any. ACTIVATE: one
 * that its bus can start is started. */
GstFcBus *gst_fc_bus_new (const gchar *slot, const gchar *directory,
                          gboolean activate, GstFcBusFunc func,
                          gpointer user_data);

/* Waits for FUNC to return, which is called no more; not for what a registry or
 * a bus is taking its time to say, of which the thread disposes when it comes.
 * Takes NULL. */
void gst_fc_bus_free (GstFcBus *self);

typedef struct
{
  int ring_fd;     /* or -1 */
  int table_fd;    /* or -1: to observe */
  gboolean waited; /* that registry had said that there is no such slot */
  gchar *refusal;  /* a registry's sentence why this one is not for you */
} GstFcBusAnswer;

#define GST_FC_BUS_ANSWER_INIT                                                 \
  {                                                                            \
    -1, -1, FALSE, NULL                                                        \
  }

/* ANSWER is the caller's then, to clear. FALSE where there is none yet. */
gboolean gst_fc_bus_take (GstFcBus *self, GstFcBusAnswer *answer);
void gst_fc_bus_answer_clear (GstFcBusAnswer *answer);

/* The one that was taken was of no use: ask on. */
void gst_fc_bus_go_on (GstFcBus *self);

/* What they said last, as part of a sentence; the caller's. */
gchar *gst_fc_bus_describe (GstFcBus *self);

G_END_DECLS

#endif /* GST_FC_BUS_H */
