/* framecache: a slot on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_SLOT_OBJECT_H
#define FCR_SLOT_OBJECT_H

#include "fcr-bus.h"
#include "store.h"

G_BEGIN_DECLS

/* org.framecache.Slot1 of one slot. Removing it is the service's. */
#define FCR_TYPE_SLOT_OBJECT fcr_slot_object_get_type ()
G_DECLARE_FINAL_TYPE (FcrSlotObject, fcr_slot_object, FCR, SLOT_OBJECT,
                      FcrBusSlot1Skeleton)

/* Of SLOT, until fcr_slot_object_end (). */
FcrSlotObject *fcr_slot_object_new (FcrStore *store, FcrSlot *slot);
/* What was looked at last becomes the properties; what changed is told. */
void fcr_slot_object_update (FcrSlotObject *object);
void fcr_slot_object_tell_attached (FcrSlotObject *object,
                                    const FcrConsumer *consumer);
void fcr_slot_object_tell_detached (FcrSlotObject *object,
                                    const FcrConsumer *consumer);
/* The slot is no more, and calls that are on their way get that answer. */
void fcr_slot_object_end (FcrSlotObject *object);

/* The object path of the slot NAME. The caller's to free. */
gchar *fcr_slot_object_path (const gchar *name);

G_END_DECLS

#endif /* FCR_SLOT_OBJECT_H */
