"""What the pages show, as data frames: functions of files and numbers, without Streamlit."""
