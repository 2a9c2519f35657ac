import QtQuick.Templates as T

T.Control {}
