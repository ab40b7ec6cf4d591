/* framecache: a slot as file descriptors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_HAND_OVER_H
#define FCR_HAND_OVER_H

#include "callers.h"
#include "readonly.h"
#include "store.h"

G_BEGIN_DECLS

/* Answer INVOCATION, a call of OpenSlot, which is taken: SLOT's ring, and where
 * it trusts CALLER and OBSERVE was not said its consumer table; or an error. */
void fcr_hand_over (GDBusMethodInvocation *invocation, const FcrCaller *caller,
                    const FcrSlot *slot, gboolean observe,
                    FcrReadonly *readonly);

G_END_DECLS

#endif /* FCR_HAND_OVER_H */
