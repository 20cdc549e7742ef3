from sb3_scale.cli import main

raise SystemExit(main())
