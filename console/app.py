"""What Streamlit runs for each visit and after each click; see console.shell."""

from __future__ import annotations

from console.shell import main

if __name__ == "__main__":
    main()
