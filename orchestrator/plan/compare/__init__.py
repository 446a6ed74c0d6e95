"""Why a run is there, and what two plans do not have in common. Pure."""
