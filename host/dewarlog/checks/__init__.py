"""What a log proves: each module one question, each answer a finding."""
