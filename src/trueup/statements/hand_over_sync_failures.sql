select trueup.hand_over_sync_failures();
